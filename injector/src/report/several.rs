//! Several reports of one run.

use crate::event::line::Line;
use crate::event::{Notice, Progress, Sink, Standing};

/// Passes everything on to each of them, in order.
#[derive(Default)]
pub struct Several<'a>(pub Vec<&'a mut dyn Sink>);

impl Sink for Several<'_> {
    fn line(&mut self, line: &Line) {
        for sink in &mut self.0 {
            sink.line(line);
        }
    }

    fn event_limit(&self) -> u64 {
        self.0.iter().map(|sink| sink.event_limit()).max().unwrap_or(0)
    }

    fn notice(&mut self, notice: &Notice) {
        for sink in &mut self.0 {
            sink.notice(notice);
        }
    }

    fn tick(&mut self, progress: &[Progress]) {
        for sink in &mut self.0 {
            sink.tick(progress);
        }
    }

    fn standing(&mut self, standing: &Standing) {
        for sink in &mut self.0 {
            sink.standing(standing);
        }
    }
}
