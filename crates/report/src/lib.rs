//! Rows to SVG, HTML and Markdown. The only user of plotters.
