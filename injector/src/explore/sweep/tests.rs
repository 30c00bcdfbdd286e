use goinject_rules::source::Source;

use super::super::rule_text;
use super::*;

const BLOCK: &str =
    "version: 1\nrules:\n  - function: os.Open\n    inject:\n      return: {err: {errno: ENOSPC}}\n";
const FLOW: &str =
    "version: 1\nrules: [{function: os.Open, inject: {return: {err: {message: disk on fire}}}}]\n";

fn parsed(text: &str) -> RuleSet {
    let source = Source::new("rules.yaml", text);
    goinject_rules::parse(&source)
        .unwrap_or_else(|findings| panic!("{text}: {findings:?}"))
        .0
}

#[test]
fn calls_are_written_into_the_rule() {
    for text in [BLOCK, FLOW] {
        let template = Template::new(&parsed(text)).expect("fit");
        let swept = parsed(&template.firing(3, Mode::Once, &[]));
        assert_eq!(swept.rules[0].when.nth, Some(3));
        let swept = parsed(&template.firing(3, Mode::Always, &[]));
        assert_eq!(swept.rules[0].when.after, Some(model::Point::Calls(2)));
        assert_eq!(parsed(&template.observing()).rules[0].mode, RuleMode::Observe);
    }
    let template = Template::new(&parsed(BLOCK)).expect("fit");
    let trail = rule_text::trail(0, "main.load", &rule_text::Answer::Error("results[0]".to_owned()));
    let swept = parsed(&template.firing(2, Mode::Once, &[trail]));
    assert_eq!(swept.rules.len(), 2);
    assert_eq!(swept.rules[1].when.nth, Some(2));
}

#[test]
fn a_rule_is_taken_out_of_its_file() {
    let comments = "version: 1\ntarget: {command: [./x]}\nexpect: {exit: 3}\nrules:\n    # The disk.\n    - inject:\n          return:\n            err: {errno: ENOSPC}\n      function: os.Open # opens\n";
    let expecting = format!("{BLOCK}    expect: {{fired: \"<=3\"}}\n");
    for text in [BLOCK, FLOW, comments, &expecting] {
        let template = Template::new(&parsed(text)).expect("fit");
        for (nth, mode) in [(1, Mode::Always), (3, Mode::Once), (3, Mode::Always)] {
            let injected = Injected::Written {
                rule: template.item(nth, mode),
                expects: template.expects,
            };
            let file = format!("version: 1\nrules:\n{}", injected.rule(">=1"));
            let taken = &parsed(&file).rules[0];
            let whole = &parsed(&template.firing(nth, mode, &[])).rules[0];
            assert_eq!((&taken.when, &taken.name), (&whole.when, &whole.name), "{file}");
            assert_eq!(taken.expect.fired.value, whole.expect.fired.value, "{file}");
            let start = file.find("inject:").expect("kept");
            assert!(file[start..].contains("err: {"), "{file}");
        }
    }
}

#[test]
fn what_one_call_can_not_meet_is_not_expected_of_it() {
    for (expect, expected) in [
        ("{fired: \">=2\"}", (1, u64::MAX)),
        ("{fired: 3}", (1, 3)),
        ("{fired: 0}", (1, u64::MAX)),
        ("{fired: \"<=3\"}", (0, 3)),
        ("{calls: 4}", (1, u64::MAX)),
        ("{failed: \">=0\", fired: 2..5}", (1, 5)),
    ] {
        let block = format!("{BLOCK}    expect: {expect}\n");
        let flow = FLOW.replace("}}}}]", &format!("}}}}}}, expect: {expect}}}]"));
        for text in [block, flow] {
            let template = Template::new(&parsed(&text)).expect("fit");
            let injected = Injected::Written {
                rule: template.item(3, Mode::Once),
                expects: template.expects,
            };
            let file = format!("version: 1\nrules:\n{}", injected.rule(">=1"));
            let rule = &parsed(&file).rules[0];
            let fired = rule.expect.fired.value;
            assert_eq!((fired.min, fired.max), expected, "{file}");
            let tried = &parsed(&template.firing(3, Mode::Once, &[])).rules[0];
            assert_eq!(tried.expect.fired.value, fired, "as in the finding's file");
            assert_eq!(rule.expect.calls.is_some(), expect.contains("calls"), "{file}");
        }
    }
}

#[test]
fn errors_are_recognized_by_their_texts() {
    let marks = |text: &str| Template::new(&parsed(text)).expect("fit").marks;
    assert_eq!(marks(BLOCK), ["no space left on device"]);
    assert_eq!(marks(FLOW), ["disk on fire"]);
}

#[test]
fn files_that_decide_themselves_are_refused() {
    let with = |line: &str| Template::new(&parsed(&format!("{BLOCK}    {line}\n"))).map(drop);
    assert!(matches!(with("when: {nth: 1}"), Err(Unfit::Decides(_))));
    assert!(matches!(with("mode: observe"), Err(Unfit::Observes(_))));
    let two = format!("{BLOCK}  - function: os.Create\n    inject: {{panic: true}}\n");
    assert_eq!(Template::new(&parsed(&two)).map(drop), Err(Unfit::Several(2)));
}
