//! Conditions on errors and other interfaces, by what they hold and wrap, and on the order of texts.

use goinject_tests::{Build, Case, counts};

use super::rule;

/// The calls that match, of nine.
fn judged(condition: &str, calls: &[u64]) -> Case {
    let quoted = condition.replace('\'', "''");
    let mut row = rule(
        "weigh",
        format!("{{function: main.weigh, if: '{quoted}', inject: {{set: {{n: 100}}}}}}"),
    )
    .when(condition);
    let listed: String = calls.iter().map(|call| format!(" {call}")).collect();
    row.lines = vec![format!("judged other:{listed}")];
    let matched = calls.len() as u64;
    row.counts = vec![counts(9, matched, matched, 0)];
    row
}

fn joins(build: &Build) -> bool {
    !["1.15", "1.19"].contains(&build.version)
}

pub(crate) fn rows() -> Vec<Case> {
    vec![
        judged("err == io.EOF", &[1]),
        judged("err != io.EOF && err != null", &[2, 3, 4, 5, 6, 7, 8]).only(joins),
        judged("errors.Is(err, io.EOF)", &[1, 2, 8]).only(joins),
        judged("errors.Is(err, io.EOF) ", &[1, 2]).only(|build| !joins(build)),
        judged("errors.Is(err, main.ErrQuota)", &[5, 8]).only(joins),
        judged("errors.Is(err, os.ErrNotExist)", &[3, 4]),
        judged(
            "errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOENT)",
            &[3, 4, 7],
        ),
        judged("errors.Is(err, os.ErrPermission)", &[7]),
        judged("type(err) == \"*os.PathError\"", &[3]),
        judged("type(err) != \"syscall.Errno\" && n > 5", &[6, 8]).only(joins),
        judged(
            "type(v) == \"main.Plain\" || type(v) == \"*fs.PathError\"",
            &[3, 5],
        )
        .only(joins),
        judged("type(v) == \"*main.Status\"", &[4]),
        judged("err.(*os.PathError).Path == \"/x\"", &[3]),
        judged(
            "err.(*os.PathError).Path != \"/y\" && size(err.(*os.PathError).Op) > 3",
            &[3],
        ),
        judged("!(err.(*os.PathError).Path == \"/x\") && n < 5", &[0, 1, 2, 4]),
        judged(
            "v.(main.Plain).Code == 1 || v.(*os.PathError).Path.startsWith(\"/\")",
            &[3, 5],
        ),
        judged("err.(syscall.Errno) == 1", &[7]),
        judged("v.(*os.PathError).Err.(syscall.Errno) in [2, 3]", &[5]),
        judged("err.(*main.Status).Cause == main.ErrQuota", &[5]),
        judged("v.(int) == 5 || v.(string) == \"text\" || v.(bool)", &[1, 2, 8]),
        judged("type(err.(*os.PathError).Err) == \"syscall.Errno\"", &[3]),
        judged("name < \"alpha\"", &[0, 4]),
        judged("name <= \"alpha\"", &[0, 1, 4]),
        judged("name > \"alpha\"", &[2, 3, 5, 6, 7, 8]),
        judged("name >= \"alphabet\" && \"g\" > name", &[2, 3]),
        judged("name in [\"beta\", \"größe\"] || n in [0, 4]", &[0, 2, 4, 8]),
        judged("n == main.Answer || n > main.Shared.ID && n < 3", &[2]),
    ]
}
