//! What the calibration lab shows: a table and a histogram with thresholds.

use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::plots::{Methods, histogram};
use crate::table::natural_width;
use crate::terminal::STYLE;
use crate::{ReportError, SiteHistogram};

/// A table without vertical lines for a terminal of `width` columns; the first `text_columns` are aligned
/// left, the others, being numbers, right. Every row has a cell for each heading. Columns that do not fit are
/// left out, the last first, but never the first six.
#[must_use]
pub fn text_table(headings: &[&str], rows: &[Vec<String>], text_columns: usize, width: u16) -> String {
    let mut columns = headings.len();
    while columns > 6 && natural_width(&headings[..columns], rows) > usize::from(width) {
        columns -= 1;
    }
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(&headings[..columns]);
    table.add_rows(rows.iter().map(|row| &row[..columns]));
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    for column in table.column_iter_mut().skip(text_columns) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The histogram of a tensor with the range that each method chose, as SVG; `None` for a histogram without
/// a count.
///
/// # Errors
/// When the plot cannot be drawn.
pub fn calibration_plot(tensor: &SiteHistogram) -> Result<Option<String>, ReportError> {
    let methods = Methods::of(tensor.thresholds.iter().map(|t| t.calibrator.as_str()));
    histogram::draw(tensor, &methods)
        .map_err(|source| ReportError::Draw { plot: tensor.site.clone(), source: Box::new(source) })
}

/// A number to four significant digits, in the notation of tables.
#[must_use]
pub fn significant(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        format!("{value:.3e}")
    } else {
        crate::text::significant(value, 4)
    }
}
