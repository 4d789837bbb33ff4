//! A block of rows at the bottom of the terminal that is drawn over in place.

use super::terminal::{self, HIDE_CURSOR, NO_WRAP, SHOW_CURSOR, WRAP};
use std::io::{self, Write};

/// The block. When it goes, the terminal is as it was and the last picture stays.
#[derive(Debug)]
pub struct Live {
    /// How many rows were drawn last.
    rows: usize,
    /// How many rows there is place for.
    height: usize,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            rows: 0,
            height: terminal::height().unwrap_or(usize::MAX),
        }
    }
}

impl Live {
    /// Draws the rows over the last ones; of more than fit the last ones are shown.
    pub fn draw(&mut self, rows: &[String]) -> io::Result<()> {
        // One row is the cursor's.
        let fitting = self.height.saturating_sub(1).max(1);
        let rows = &rows[rows.len().saturating_sub(fitting)..];
        let mut text = String::from(NO_WRAP) + HIDE_CURSOR;
        if self.rows > 0 {
            text.push_str(&format!("\x1b[{}A\r", self.rows));
        }
        for row in rows {
            text.push_str(row);
            text.push_str("\x1b[K\n");
        }
        // What is left of a longer picture.
        text.push_str("\x1b[J");
        self.rows = rows.len();
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.rows > 0 {
            // A terminal that is gone needs nothing put right.
            let _ = write!(io::stdout(), "{WRAP}{SHOW_CURSOR}").and_then(|()| io::stdout().flush());
        }
    }
}
