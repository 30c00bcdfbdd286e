//! How a run stands, while it goes on: lines at the bottom of a terminal, elsewhere a line now and then.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crate::console;
use crate::event::line::Line;
use crate::event::{Notice, Progress, Sink};
use crate::words::aligned;

/// Short runs stay as they were.
const SETTLED: Duration = Duration::from_secs(1);
/// Time between two drawings.
const FRAME: Duration = Duration::from_millis(250);
/// Time between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(30);
/// Rules that have a line.
const LINES: usize = 8;

/// Shows how a run stands.
#[derive(Debug)]
pub struct Live {
    /// By rule.
    last: HashMap<String, Last>,
    mode: Mode,
    next: Instant,
    began: Instant,
    /// When counts were looked at last.
    looked: Instant,
}

/// When a rule fired last.
#[derive(Debug)]
struct Last {
    time: Instant,
    /// In which function; none where only the count has told.
    function: Option<String>,
    /// Its count when that was looked at, before the event if there is one.
    fired: u64,
}

#[derive(Debug)]
enum Mode {
    /// At the bottom of a terminal; the rows that are kept for it, once it has begun.
    Terminal(Option<Footer>),
    Lines,
    Nothing,
}

/// Rows at the bottom of a terminal. What others print scrolls above them, so that nothing of it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Footer {
    rows: u16,
    lines: u16,
}

impl Live {
    /// On standard error; `quiet` shows nothing unless it is asked for.
    pub fn new(quiet: bool) -> Live {
        let is_able = std::env::var("TERM").is_ok_and(|name| !name.is_empty() && name != "dumb");
        let mode = match io::stderr().is_terminal() {
            _ if quiet => Mode::Nothing,
            true if is_able => Mode::Terminal(None),
            _ => Mode::Lines,
        };
        let now = Instant::now();
        let first = if matches!(mode, Mode::Lines) {
            PAUSE
        } else {
            SETTLED
        };
        Live {
            last: HashMap::new(),
            mode,
            next: now + first,
            began: now,
            looked: now,
        }
    }

    /// Gives the terminal back.
    pub fn end(&mut self) {
        if let Mode::Terminal(footer) = &mut self.mode
            && let Some(footer) = footer.take()
        {
            console::write(&erase(footer));
        }
        self.mode = Mode::Nothing;
    }

    /// Notes which rules have fired since that was looked at last: where events are not told any more, only the counts say so.
    fn look_at_counts(&mut self, progress: &[Progress], now: Instant) {
        for rule in progress.iter().filter(|rule| rule.fired > 0) {
            let last = self.last.get_mut(&rule.rule);
            match last {
                Some(last) if last.fired >= rule.fired => {}
                // Its event has told it.
                Some(last) if last.function.is_some() && last.time > self.looked => last.fired = rule.fired,
                _ => {
                    let last = Last {
                        time: now,
                        function: None,
                        fired: rule.fired,
                    };
                    self.last.insert(rule.rule.clone(), last);
                }
            }
        }
        self.looked = now;
    }

    fn table(&self, progress: &[Progress], now: Instant) -> String {
        let mut rows = vec![["rule", "calls", "fired", "failed", "last"].map(str::to_owned)];
        for rule in progress.iter().take(LINES) {
            let last = self.last.get(&rule.rule).map_or_else(
                || "-".to_owned(),
                |last| {
                    let function = last.function.as_ref();
                    let function = function.map_or_else(String::new, |function| format!(", {function}"));
                    format!("{} s ago{function}", now.duration_since(last.time).as_secs())
                },
            );
            let [calls, fired, failed] = [rule.calls, rule.fired, rule.failed].map(|count| count.to_string());
            // Nothing that a terminal obeys comes from a file or a program.
            let shown = |text: &str| text.replace(char::is_control, "\u{fffd}");
            rows.push([shown(&rule.rule), calls, fired, failed, shown(&last)]);
        }
        let mut text = aligned(&rows, "", [false, true, true, true, false]);
        if progress.len() > LINES {
            text.push_str(&format!("and {} more rules\n", progress.len() - LINES));
        }
        text
    }
}

impl Sink for Live {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Fired(fired) => {
                let last = Last {
                    time: Instant::now(),
                    function: Some(fired.function.clone()),
                    fired: self.last.get(&fired.rule).map_or(0, |last| last.fired),
                };
                self.last.insert(fired.rule.clone(), last);
            }
            Line::PassedOver(_) | Line::Rule(_) | Line::End(_) => self.end(),
            _ => {}
        }
    }

    fn notice(&mut self, notice: &Notice) {
        if let Notice::Standing(progress) = notice {
            let now = Instant::now();
            self.look_at_counts(progress, now);
            console::write(&prefixed(&self.table(progress, now)));
        }
    }

    fn event_limit(&self) -> u64 {
        match self.mode {
            // Where somebody watches, the function in which a rule fired last is always shown.
            Mode::Terminal(_) => u64::MAX,
            Mode::Lines | Mode::Nothing => 0,
        }
    }

    fn tick(&mut self, progress: &[Progress]) {
        let now = Instant::now();
        self.look_at_counts(progress, now);
        if now < self.next || matches!(self.mode, Mode::Nothing) {
            return;
        }
        let text = self.table(progress, now);
        match &mut self.mode {
            Mode::Terminal(footer) => {
                self.next = now + FRAME;
                if let Some((terminal_size::Width(width), terminal_size::Height(rows))) =
                    terminal_size::terminal_size_of(io::stderr())
                {
                    let lines: Vec<&str> = text.lines().collect();
                    console::write(&draw(footer, &lines, rows, width));
                }
            }
            Mode::Lines => {
                self.next = now + PAUSE;
                let after = self.began.elapsed().as_secs();
                console::write(&prefixed(&format!("after {after} s:\n{text}")));
            }
            Mode::Nothing => {}
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// What draws the lines into the footer, which is made or moved if it must.
fn draw(footer: &mut Option<Footer>, lines: &[&str], rows: u16, width: u16) -> String {
    let wanted = Footer {
        rows,
        lines: lines.len() as u16,
    };
    let mut text = String::new();
    // A terminal that has no room for more than this shows nothing of it.
    if rows < wanted.lines * 2 || width < 20 {
        return footer.take().map(erase).unwrap_or_default();
    }
    if *footer != Some(wanted) {
        text.push_str(&footer.take().map(erase).unwrap_or_default());
        let body = rows - wanted.lines;
        // Room is made by scrolling, and whoever prints next goes on where the cursor was.
        text.push_str(&"\n".repeat(wanted.lines.into()));
        text.push_str(&format!("\x1b[{}A\x1b7\x1b[1;{body}r\x1b8", wanted.lines));
        *footer = Some(wanted);
    }
    text.push_str("\x1b7");
    for (n, line) in lines.iter().enumerate() {
        let row = usize::from(rows - wanted.lines) + n + 1;
        let line: String = line.chars().take(usize::from(width) - 1).collect();
        text.push_str(&format!("\x1b[{row};1H\x1b[2K{line}"));
    }
    text.push_str("\x1b8");
    text
}

/// What makes the terminal whole again.
fn erase(footer: Footer) -> String {
    let first = footer.rows - footer.lines + 1;
    format!("\x1b7\x1b[r\x1b[{first};1H\x1b[J\x1b8")
}

fn prefixed(text: &str) -> String {
    text.lines().map(|line| format!("goinject: {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_leaves_room_for_others_and_is_taken_away() {
        let mut footer = None;
        let first = draw(&mut footer, &["rule  calls", "a  1"], 24, 80);
        assert_eq!(
            first,
            "\n\n\x1b[2A\x1b7\x1b[1;22r\x1b8\x1b7\x1b[23;1H\x1b[2Krule  calls\x1b[24;1H\x1b[2Ka  1\x1b8"
        );
        let again = draw(&mut footer, &["rule  calls", "a  2"], 24, 80);
        assert_eq!(
            again,
            "\x1b7\x1b[23;1H\x1b[2Krule  calls\x1b[24;1H\x1b[2Ka  2\x1b8"
        );
        // The window is made smaller, then too small.
        let moved = draw(&mut footer, &["rule  calls", "a  2"], 10, 8 + 20);
        assert!(
            moved.starts_with("\x1b7\x1b[r\x1b[23;1H\x1b[J\x1b8\n\n"),
            "{moved:?}"
        );
        assert_eq!(
            draw(&mut footer, &["rule  calls", "a  2"], 3, 80),
            "\x1b7\x1b[r\x1b[9;1H\x1b[J\x1b8"
        );
        assert_eq!(footer, None);
    }

    #[test]
    fn lines_tell_calls_fired_failed_and_the_last() {
        let mut live = Live::new(true);
        let now = Instant::now();
        let last = Last {
            time: now,
            function: Some("main.put".to_owned()),
            fired: 0,
        };
        live.last.insert("put".to_owned(), last);
        let progress = [("put", 12, 3, 1), ("never", 0, 0, 0)].map(|(rule, calls, fired, failed)| Progress {
            rule: rule.to_owned(),
            calls,
            matched: fired,
            fired,
            applied: fired,
            failed,
        });
        live.looked = now.checked_sub(Duration::from_secs(1)).unwrap();
        live.look_at_counts(&progress, now);
        assert_eq!(
            live.table(&progress, now),
            "rule   calls  fired  failed  last\nput       12      3       1  0 s ago, main.put\nnever      0      0       0  -\n"
        );
        // Its events are not told any more.
        let later = now + Duration::from_secs(5);
        let more = [Progress {
            fired: 4,
            ..progress[0].clone()
        }];
        live.look_at_counts(&more, later);
        live.look_at_counts(&more, later + Duration::from_secs(2));
        assert_eq!(
            live.table(&more, later + Duration::from_secs(2)),
            "rule  calls  fired  failed  last\nput      12      4       1  2 s ago\n"
        );
    }
}
