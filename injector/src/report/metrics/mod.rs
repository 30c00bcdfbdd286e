//! Metrics of a run for Prometheus: an address that it reads them from, and a file that node_exporter does.

mod file;
mod series;
mod server;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::series::{Format, Series};
use self::server::{Address, Server};
use crate::event::line::Line;
use crate::event::{Progress, Sink, Standing};

/// Time between two versions of the file.
const PAUSE: Duration = Duration::from_secs(2);

/// Where metrics are wanted, as the command line says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Wanted {
    /// Serve metrics for Prometheus at http://ADDRESS/metrics while the run goes on: `HOST:PORT`, or a port of 127.0.0.1
    ///
    /// There is no authentication and no encryption: whoever reaches the address reads the names of rules and programs. Port 0
    /// takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<Address>,
    /// Write metrics for Prometheus to this file now and then, for node_exporter's textfile collector (`*.prom`)
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
}

/// Keeps the metrics of a run.
#[derive(Debug, Default)]
pub struct Metrics {
    series: Option<Arc<Mutex<Series>>>,
    server: Option<Server>,
    file: Option<PathBuf>,
    written: Option<Instant>,
    /// Why the file could not be written the last time.
    failure: Option<io::Error>,
}

impl Metrics {
    /// Begins to serve and to write them. Where that can't be, nothing has run yet. To be called when signals are blocked: the
    /// server has a thread of its own.
    ///
    /// # Errors
    /// The address can't be had, or the file can't be written.
    pub fn open(wanted: &Wanted) -> io::Result<Metrics> {
        if wanted.metrics_listen.is_none() && wanted.metrics_file.is_none() {
            return Ok(Metrics::default());
        }
        let series = Arc::new(Mutex::new(Series::new()));
        let listen = wanted.metrics_listen.as_ref();
        let server = listen.map(|address| Server::start(address, Arc::clone(&series)));
        let mut metrics = Metrics {
            server: server.transpose()?,
            series: Some(series),
            file: wanted.metrics_file.clone(),
            ..Metrics::default()
        };
        metrics.write();
        match metrics.failure.take() {
            Some(error) => Err(error),
            None => Ok(metrics),
        }
    }

    /// Where they can be read, if they are served.
    pub fn address(&self) -> Option<String> {
        self.server.as_ref().map(Server::url)
    }

    /// Writes the file once more. What went wrong is told in words.
    pub fn close(mut self) -> Vec<String> {
        self.write();
        self.failure.iter().map(io::Error::to_string).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Series)) {
        if let Some(series) = &self.series {
            change(&mut locked(series));
        }
    }

    fn write(&mut self) {
        let (Some(path), Some(series)) = (&self.file, &self.series) else {
            return;
        };
        self.written = Some(Instant::now());
        let text = locked(series).text(Format::Prometheus);
        self.failure = file::replace(path, &text).err();
    }
}

/// One that panicked has left nothing half done.
fn locked(series: &Mutex<Series>) -> MutexGuard<'_, Series> {
    series.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Metrics {
    fn line(&mut self, line: &Line) {
        self.change(|series| series.line(line));
    }

    fn event_limit(&self) -> u64 {
        self.series.as_ref().map_or(0, |_| u64::MAX)
    }

    fn tick(&mut self, progress: &[Progress]) {
        self.change(|series| series.progress(progress));
        if self.written.is_some_and(|written| written.elapsed() >= PAUSE) {
            self.write();
        }
    }

    fn standing(&mut self, standing: &Standing) {
        self.change(|series| series.standing(standing));
    }
}
