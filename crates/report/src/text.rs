//! Numbers, names and escaping: everything that turns a value into text.

use calibench_store::Row;

/// What stands where a value is missing or not finite.
pub(crate) const MISSING: &str = "–";

/// The value, if it is there and finite: a NaN is treated as not measured.
pub(crate) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

/// Formats a value that may be missing.
pub(crate) fn or_missing(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    finite(value).map_or_else(|| MISSING.to_owned(), format)
}

/// A share in `[0, 1]` as a percentage: `97.8 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", without_minus_zero(share * 100.0, 1))
}

/// A percentage without its unit: `97.8`.
pub(crate) fn percent_bare(share: f64) -> String {
    format!("{:.1}", without_minus_zero(share * 100.0, 1))
}

/// A difference of two shares in percentage points, signed: `+0.3`, `−1.2`, `0.0`.
pub(crate) fn points(difference: f64) -> String {
    let rounded = without_minus_zero(difference * 100.0, 1);
    if rounded.abs() < 0.05 {
        "0.0".to_owned()
    } else if rounded < 0.0 {
        format!("−{:.1}", -rounded)
    } else {
        format!("+{rounded:.1}")
    }
}

/// A ratio: `0.52×`; three significant digits or so.
pub(crate) fn ratio(value: f64) -> String {
    format!("{}×", ratio_bare(value))
}

/// A ratio without its sign: two decimals, one above 10, none above 100.
pub(crate) fn ratio_bare(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v < 0.0995 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

/// Bytes of a plan's activations; other runtimes tell none.
pub(crate) fn planned_bytes(count: u64) -> String {
    if count == 0 { MISSING.to_owned() } else { bytes(count) }
}

/// A number of bytes in binary units: `12.3 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value >= 99.95 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A duration in seconds with a fitting unit: `820 µs`, `12.4 ms`, `3.1 s`.
pub(crate) fn seconds(value: f64) -> String {
    if value < 1e-3 {
        format!("{:.0} µs", value * 1e6)
    } else if value < 1.0 {
        format!("{} ms", significant(value * 1e3, 3))
    } else {
        format!("{} s", significant(value, 3))
    }
}

/// `digits` significant digits, without an exponent for ordinary sizes.
pub(crate) fn significant(value: f64, digits: i32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..=9).contains(&magnitude) {
        let decimals = usize::try_from(digits - 1).unwrap_or(0);
        return minus(&format!("{value:.decimals$e}"));
    }
    let decimals = usize::try_from(digits - 1 - magnitude).unwrap_or(0);
    minus(&format!("{value:.decimals$}"))
}

/// A tick's number: no digits beyond what it needs, and an exponent where it would be wider than an axis has room.
pub(crate) fn plain(value: f64) -> String {
    if value.abs() < 1e-12 {
        return "0".to_owned();
    }
    let text = match value.abs() {
        1e-3..1e6 => significant(value, 6),
        _ => minus(&format!("{value:.5e}")),
    };
    let (number, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    if number.contains('.') {
        format!("{}{exponent}", number.trim_end_matches('0').trim_end_matches('.'))
    } else {
        text
    }
}

/// A whole number with thin groups of three: `12 345`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// `1 cell`, `2 cells`.
pub(crate) fn count_of(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn minus(text: &str) -> String {
    text.strip_prefix('-').map_or_else(|| text.to_owned(), |rest| format!("−{rest}"))
}

fn without_minus_zero(value: f64, decimals: i32) -> f64 {
    if value.abs() < 0.5 * 10f64.powi(-decimals) { 0.0 } else { value }
}

/// Escapes text for HTML and SVG, attributes included; control characters, which XML forbids, go.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// Escapes text for one line or table cell of Markdown.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '#' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// A name as part of a file name: letters, digits, `.`, `-` and `_`; everything else becomes `_`.
pub(crate) fn file_stem(name: &str) -> String {
    let stem: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c,
            '.' | '-' | '_' => c,
            _ => '_',
        })
        .take(96)
        .collect();
    let stem = stem.trim_matches('.').to_owned();
    if stem.is_empty() { "_".to_owned() } else { stem }
}

/// At most `limit` characters, with an ellipsis in the middle where something was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= limit {
        return text.to_owned();
    }
    let keep = limit.saturating_sub(1);
    let tail = keep / 2;
    let head = keep - tail;
    let mut out: String = chars[..head].iter().collect();
    out.push('…');
    out.extend(&chars[chars.len() - tail..]);
    out
}

/// The configuration of a cell without model, seed and threads: `int8 static mse per-channel affine`.
pub(crate) fn configuration(row: &Row) -> String {
    let (method, parameters) = configuration_parts(row);
    let name = format!("{method} {parameters}");
    if name.trim().is_empty() { row.cell.clone() } else { name.trim().to_owned() }
}

/// The configuration in two parts: `int8 static mse` and `per-channel affine`.
pub(crate) fn configuration_parts(row: &Row) -> (String, String) {
    let join = |parts: &[&str]| {
        let named = parts.iter().filter(|part| !part.is_empty() && **part != "none");
        named.copied().collect::<Vec<_>>().join(" ")
    };
    (join(&[&row.dtype, &row.timing, &row.calibrator]), join(&[&row.granularity, &row.symmetry]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(percent(0.9777), "97.8 %");
        assert_eq!(points(-0.0123), "−1.2");
        assert_eq!(points(-0.0001), "0.0");
        assert_eq!(points(0.003), "+0.3");
        assert_eq!(ratio(0.5234), "0.52×");
        assert_eq!(ratio(12.34), "12.3×");
        assert_eq!(bytes(12_595), "12.3 KiB");
        assert_eq!(bytes(1_048_575), "1.0 MiB");
        assert_eq!(seconds(0.0124), "12.4 ms");
        assert_eq!(significant(-3.2149, 3), "−3.21");
        assert_eq!([0.0, -2.5, 10.0, 100_000.0].map(plain), ["0", "−2.5", "10", "100000"]);
        assert_eq!([-2.5e-4, 3.0 * 1e-5, 2e6].map(plain), ["−2.5e-4", "3e-5", "2e6"]);
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn a_missing_value_and_a_nan_read_the_same() {
        assert_eq!(or_missing(None, percent), MISSING);
        assert_eq!(or_missing(Some(f64::NAN), percent), MISSING);
    }

    #[test]
    fn escaping_leaves_no_markup() {
        assert_eq!(escape("<b a=\"1\">&'\u{7}\n"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39; ");
        assert_eq!(markdown("a|b\n<i>_x_"), "a\\|b &lt;i&gt;\\_x\\_");
        assert_eq!(file_stem("../a b/é"), "_a_b__");
    }

    #[test]
    fn long_names_are_cut_in_the_middle() {
        assert_eq!(shorten("abcdefghij", 5), "ab…ij");
        assert_eq!(shorten("abc", 5), "abc");
    }
}
