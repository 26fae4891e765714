//! Tables of text for a terminal: rows under headings, columns told apart by space.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table};

use crate::terminal::STYLE;

/// What the columns take side by side without breaking a cell; rows may be longer than the headings.
pub(crate) fn natural_width(headings: &[&str], rows: &[Vec<String>]) -> usize {
    let widest = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    // One space of padding and one of separation, and one before the first column.
    let widths = headings.iter().enumerate().map(|(i, heading)| widest(i).max(heading.chars().count()) + 2);
    1 + widths.sum::<usize>()
}

/// A table of at most `width` columns of characters, of which only the column `breakable` is broken where it is too wide;
/// columns that are numbers are aligned right.
pub(crate) fn table(
    headings: &[&str],
    rows: &[Vec<String>],
    is_number: impl Fn(usize) -> bool,
    breakable: usize,
    width: u16,
) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(40));
    table.set_header(headings);
    table.add_rows(rows.iter().map(|row| &row[..headings.len()]));
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if i != breakable {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if is_number(i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_as_wide_as_its_natural_width_breaks_nothing() {
        let rows = vec![vec!["a long name".to_owned(), "1.5".to_owned(), "unused".to_owned()]];
        let width = natural_width(&["name", "value"], &rows);
        assert_eq!(width, 1 + 13 + 7);
        let lines = |width: usize| {
            let width = u16::try_from(width).expect("small");
            table(&["name", "value"], &rows, |i| i == 1, 0, width.max(40)).to_string()
        };
        assert_eq!(lines(width).lines().nth(3).map(str::trim_end), Some(" a long name    1.5"));
    }
}
