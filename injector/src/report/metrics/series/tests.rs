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

/// The same, after the rule file was read again.
fn again(pid: i32) -> Line {
    match process(pid) {
        Line::Process(process) => Line::Process(Process {
            again: true,
            ..process
        }),
        other => other,
    }
}

/// What has ended by now did so as long ago as it is remembered.
fn age(series: &mut Series) {
    for (when, _) in &mut series.ended {
        *when = Instant::now()
            .checked_sub(REMEMBERED)
            .expect("the machine runs for longer");
    }
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
        ever_armed: armed.len() as u64,
        ..Standing::default()
    }
}

/// The series of a family, with their values.
fn of(series: &Series, name: &str) -> Vec<String> {
    let text = series.text(Format::OpenMetrics);
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
}

#[test]
fn a_process_with_other_rules_is_the_same_process() {
    let mut series = Series::new();
    series.line(&process(7));
    series.line(&fired(7));
    for _ in 0..2 * PROCESSES {
        series.line(&again(7));
    }
    series.line(&fired(7));
    series.standing(&standing(&[7]));
    assert_eq!(
        of(&series, "goinject_processes_armed_total"),
        ["goinject_processes_armed_total 1"]
    );
    // Its series stay, as long as it does, and so does the room for others.
    age(&mut series);
    series.standing(&standing(&[7]));
    series.line(&process(8));
    series.line(&fired(8));
    let faults = of(&series, "goinject_process_faults_total");
    assert!(
        faults
            .iter()
            .any(|line| line.contains("pid=\"7\"") && line.ends_with(" 2")),
        "{faults:?}"
    );
    assert!(faults.iter().any(|line| line.contains("pid=\"8\"")), "{faults:?}");
}

#[test]
fn a_limit_holds_until_other_rules_have_another() {
    let mut series = Series::new();
    let at_limit = |limit_reached| Standing {
        limit_reached,
        ..standing(&[7])
    };
    series.line(&line(r#"{"type":"limit"}"#));
    series.standing(&at_limit(true));
    assert_eq!(of(&series, "goinject_armed"), ["goinject_armed 0"]);
    assert_eq!(
        of(&series, "goinject_limit_reached"),
        ["goinject_limit_reached 1"]
    );
    series.standing(&at_limit(false));
    assert_eq!(of(&series, "goinject_armed"), ["goinject_armed 1"]);
    assert_eq!(
        of(&series, "goinject_limit_reached"),
        ["goinject_limit_reached 0"]
    );
}

#[test]
fn the_older_format_names_families_as_their_samples() {
    let mut series = Series::new();
    series.line(&process(7));
    series.line(&fired(7));
    let text = series.text(Format::Prometheus);
    for line in [
        "# HELP goinject_build_info The version of goinject.",
        "# TYPE goinject_build_info gauge",
        "# HELP goinject_processes_armed_total Processes in which rules act or acted, each once.",
        "# TYPE goinject_processes_armed_total counter",
        "# TYPE goinject_armed gauge",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    assert!(!text.contains("# EOF") && !text.contains(" info\n"), "{text}");
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(samples(&text), samples(&series.text(Format::OpenMetrics)));
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
    // It counts from when the last one of the number ended.
    age(&mut series);
    series.standing(&standing(&[]));
    assert_eq!(of(&series, "goinject_process_faults_total").len(), 1);
    age(&mut series);
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
