//! Tables as `snap` prints them: columns padded to their widest cell, two spaces apart, `-` for nothing.

/// A table that is being filled.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its head.
    pub fn new(head: &[&str]) -> Self {
        Self {
            rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()],
        }
    }

    /// A table of names and values, without a head.
    pub fn plain() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row; an empty cell shows as `-`.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(
            cells
                .iter()
                .map(|cell| if cell.is_empty() { "-" } else { cell })
                .map(one_line)
                .collect(),
        );
    }

    /// There is nothing but the head.
    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }
}

/// Control characters of what others wrote stay out of the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_two_spaces_apart() {
        let mut table = Table::new(&["Name", "Rev"]);
        table.row(["keyboard-lights", "x1"]);
        table.row(["pi", ""]);
        assert_eq!(
            table.to_string(),
            "Name             Rev\nkeyboard-lights  x1\npi               -\n"
        );
    }

    #[test]
    fn escapes_of_others_stay_out() {
        let mut table = Table::new(&["Name"]);
        table.row(["a\u{1b}[2Jb\n"]);
        assert_eq!(table.to_string(), "Name\na [2Jb\n");
    }
}
