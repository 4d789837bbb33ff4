//! Figures as a table, and what is taken of many samples.

use std::time::Duration;

/// Sorted samples.
pub struct Samples(Vec<Duration>);

impl Samples {
    pub fn new(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self(samples)
    }

    /// The sample below which `percent` of them lie.
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or_default()
    }

    pub fn shown(&self) -> String {
        format!("p50 {}, p99 {} (n {})", shown(self.percentile(50)), shown(self.percentile(99)), self.0.len())
    }
}

pub fn shown(duration: Duration) -> String {
    let microseconds = duration.as_secs_f64() * 1e6;
    match microseconds {
        ..1_000.0 => format!("{microseconds:.1} µs"),
        ..1_000_000.0 => format!("{:.2} ms", microseconds / 1e3),
        _ => format!("{:.2} s", microseconds / 1e6),
    }
}

/// One row: what, and a column per program.
pub fn row(what: &str, columns: &[String]) {
    print!("{what:<44}");
    for column in columns {
        print!(" {column:<34}");
    }
    println!();
}
