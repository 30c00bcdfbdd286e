use super::*;
use crate::event::line::Line;

fn line(text: &str) -> Line {
    serde_json::from_str(text).expect("a line")
}

fn process(pid: i32) -> Line {
    line(&format!(
        r#"{{"type":"process","pid":{pid},"program":"a\u001b\"b","binary":"/a","go":"go1.27","sites":1,"rules":["r"]}}"#
    ))
}

fn fired(pid: i32) -> Line {
    line(&format!(
        r#"{{"type":"fired","time":"","time_ns":1,"elapsed_ns":1,"pid":{pid},"program":"a","rule":"r","function":"f","site":"entry",
        "call":1,"thread":1,"goroutine":1,"test":null,"stack":[],"outcome":"applied","reason":null,"delay_ns":null,
        "returned_early":false,"panicked":false,"values":[]}}"#
    ))
}

fn standing(armed: &[i32]) -> Standing {
    Standing {
        armed: armed.to_vec(),
        ..Standing::default()
    }
}

/// The series of a family, with their values.
fn of(series: &Series, name: &str) -> Vec<String> {
    let text = series.text();
    let lines = text.lines().filter(|line| line.starts_with(name));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn processes_beyond_some_are_counted_together() {
    let mut series = Series::new();
    for pid in 1..=200 {
        series.line(&process(pid));
        series.line(&fired(pid));
    }
    let faults = of(&series, "goinject_process_faults_total");
    assert_eq!(faults.len(), PROCESSES + 1);
    let other = faults.iter().find(|line| line.contains("pid=\"other\""));
    assert!(other.expect("there").ends_with(" 136"), "{other:?}");
    assert_eq!(
        of(&series, "goinject_processes_armed_total"),
        ["goinject_processes_armed_total 200"]
    );
}

#[test]
fn what_has_ended_can_be_read_for_a_while_and_gives_room_then() {
    let mut series = Series::new();
    series.line(&process(7));
    series.line(&fired(7));
    series.standing(&standing(&[]));
    let faults = of(&series, "goinject_process_faults_total");
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains(r#"program="a\\u{1b}\"b""#), "{faults:?}");
    // Its number is another process's by now.
    series.line(&process(7));
    series.line(&fired(7));
    let faults = of(&series, "goinject_process_faults_total");
    assert!(faults[0].ends_with(" 2"), "{faults:?}");
    series.standing(&standing(&[7]));
    for (when, _) in &mut series.ended {
        *when = Instant::now()
            .checked_sub(REMEMBERED)
            .expect("the machine runs for longer");
    }
    series.standing(&standing(&[]));
    assert!(of(&series, "goinject_process_faults_total").is_empty());
}

#[test]
fn counters_of_rules_never_fall() {
    let mut series = Series::new();
    let progress = |calls| {
        [Progress {
            rule: "r".to_owned(),
            calls,
            matched: 0,
            fired: 0,
            applied: 0,
            failed: 0,
        }]
    };
    series.progress(&progress(5));
    series.progress(&progress(3));
    assert_eq!(
        of(&series, "goinject_rule_calls_total"),
        [r#"goinject_rule_calls_total{rule="r"} 5"#]
    );
}
