//! A section of the report that is a table and its explanation, in Markdown and in HTML.

use std::fmt::Write as _;

use crate::text::{escape, markdown};

/// The first two columns are names, the others numbers.
pub(crate) struct Section {
    /// The anchor in HTML.
    pub id: &'static str,
    pub title: &'static str,
    pub headings: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// What the numbers mean, below the table.
    pub explanation: &'static str,
}

impl Section {
    /// Nothing where there are no rows.
    pub(crate) fn markdown(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut out = format!("## {}\n\n", self.title);
        out.push_str(&line(&self.headings));
        out.push_str(&format!("|---|---|{}\n", "---:|".repeat(self.headings.len() - 2)));
        for row in &self.rows {
            out.push_str(&line(&row.iter().map(|cell| markdown(cell)).collect::<Vec<_>>()));
        }
        let _ = writeln!(out, "\n{}\n", self.explanation);
        out
    }

    /// Nothing where there are no rows.
    pub(crate) fn html(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let line = |tag: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let mut out = format!(
            "<section id=\"{}\">\n<h2>{}</h2>\n<div class=\"scroll\">\n<table class=\"text\">\n<thead>",
            self.id, self.title
        );
        out.push_str(&line("th", &self.headings));
        out.push_str("</thead>\n<tbody>\n");
        self.rows.iter().for_each(|row| out.push_str(&line("td", row)));
        let _ = writeln!(
            out,
            "</tbody>\n</table>\n</div>\n<p class=\"note\">{}</p>\n</section>",
            escape(self.explanation)
        );
        out
    }
}
