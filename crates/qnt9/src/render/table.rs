//! Columns as wide as what stands in them.

/// The space between two columns.
const GAP: &str = "  ";

/// Rows of cells. A column that is empty in every row is left out.
#[derive(Clone, Debug, Default)]
pub struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose columns have these heads.
    pub fn new<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Self {
        Self { heads: heads.map(str::to_owned).into(), rows: Vec::new() }
    }

    /// A table without heads.
    pub fn bare() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row<const COLUMNS: usize>(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.into());
    }

    /// The lines, the heads first where there are some.
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let filled = |column: usize| self.rows.iter().any(|row| !cell(row, column).is_empty());
        let shown: Vec<(usize, usize)> = (0..columns)
            .filter(|column| filled(*column))
            .map(|column| (column, self.width(column)))
            .collect();
        let heads = Some(&self.heads).filter(|heads| !heads.is_empty());
        heads.into_iter().chain(&self.rows).map(|row| line(row, &shown)).collect()
    }

    /// The lines as one text, each indented so far; or a sentence when there are no rows.
    pub fn text(&self, indent: usize, when_empty: &str) -> String {
        let indent = " ".repeat(indent);
        if self.rows.is_empty() {
            return format!("{indent}{when_empty}\n");
        }
        self.lines().iter().map(|line| format!("{indent}{line}\n")).collect()
    }

    fn width(&self, column: usize) -> usize {
        let rows = self.rows.iter().chain([&self.heads]);
        rows.map(|row| cell(row, column).chars().count()).max().unwrap_or(0)
    }
}

fn cell(row: &[String], column: usize) -> &str {
    row.get(column).map_or("", String::as_str)
}

fn line(row: &[String], shown: &[(usize, usize)]) -> String {
    let cells = shown.iter().map(|(column, width)| format!("{:<width$}", cell(row, *column)));
    cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
}
