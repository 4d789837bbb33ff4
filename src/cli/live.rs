//! A block of rows at the bottom of the terminal that is drawn over in place.

use super::terminal::{HIDE_CURSOR, NO_WRAP, SHOW_CURSOR, WRAP};
use std::io::{self, Write};

/// The block. When it goes, the terminal is as it was and the last picture stays.
#[derive(Debug, Default)]
pub struct Live {
    /// How many rows were drawn last.
    rows: usize,
}

impl Live {
    /// Draws the rows over the last ones.
    pub fn draw(&mut self, rows: &[String]) -> io::Result<()> {
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
