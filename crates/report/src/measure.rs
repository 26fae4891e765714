//! Measured values with their units: one at a time, two beside each other, and on an axis.

use crate::text::{self, MISSING, finite};

/// The unit of a measured value, by which it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit<'a> {
    /// 0..1, shown in percent.
    Share,
    /// Bytes, in binary units.
    Bytes,
    /// A number of things.
    Count,
    /// Microseconds.
    Microseconds,
    /// A ratio to a reference: `0.52×`.
    Ratio,
    /// Any other, shown behind the number; none where empty.
    Other(&'a str),
}

impl<'a> Unit<'a> {
    /// The unit of that name in `reports/schema.md`; `×` is a ratio.
    pub(crate) fn named(name: &'a str) -> Self {
        match name {
            "share" => Self::Share,
            "bytes" => Self::Bytes,
            "count" => Self::Count,
            "µs" => Self::Microseconds,
            "×" => Self::Ratio,
            "1" | "value²" => Self::Other(""),
            name => Self::Other(name),
        }
    }

    /// A value with its unit; each step of `precision` above 0 shows a digit more.
    fn precise(self, value: f64, precision: u8) -> String {
        let more = i32::from(precision);
        match self {
            Self::Share if precision == 0 => text::percent(value),
            Self::Share => format!("{} %", decimals(value * 100.0, usize::from(precision) + 1)),
            Self::Bytes if precision == 0 && value >= 0.0 => text::bytes(value.round() as u64),
            Self::Count if precision == 0 => scaled(value),
            Self::Bytes => format!("{} B", whole(value)),
            Self::Count => whole(value),
            Self::Microseconds if precision == 0 => text::seconds(value * 1e-6),
            Self::Microseconds => format!("{} µs", text::significant(value, 3 + more)),
            Self::Ratio if precision == 0 => text::ratio(value),
            Self::Ratio => format!("{}×", text::significant(value, 3 + more)),
            Self::Other("") => text::significant(value, 4 + more),
            Self::Other(unit) => format!("{} {unit}", text::significant(value, 4 + more)),
        }
    }

    /// A value with its unit: `97.8 %`, `12.3 KiB`, `0.52×`.
    pub(crate) fn show(self, value: Option<f64>) -> String {
        text::or_missing(value, |v| self.precise(v, 0))
    }

    /// A value with its interval, the unit once where all three have the same: `0.52× [0.50, 0.54]`.
    pub(crate) fn with_interval(self, value: f64, low: Option<f64>, high: Option<f64>) -> String {
        let value = self.show(Some(value));
        let (Some(low), Some(high)) = (finite(low), finite(high)) else {
            return value;
        };
        let parts = |text: &str| {
            let number = text.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
            let (number, unit) = text.split_at(number);
            (number.to_owned(), unit.to_owned())
        };
        let ends = [low, high].map(|end| self.precise(end, 0));
        let [(low, of_low), (high, of_high)] = ends.each_ref().map(|end| parts(end));
        let unit = parts(&value).1;
        if unit == of_low && unit == of_high {
            format!("{value} [{low}, {high}]")
        } else {
            format!("{value} [{}]", ends.join(", "))
        }
    }

    /// Two values with their unit, with as many digits as tell them apart.
    pub(crate) fn pair(self, before: Option<f64>, after: Option<f64>) -> (String, String) {
        const MOST: u8 = 5;
        let (Some(a), Some(b)) = (finite(before), finite(after)) else {
            return (self.show(before), self.show(after));
        };
        let shown = (0..=MOST).map(|p| (self.precise(a, p), self.precise(b, p)));
        let told_apart = shown.into_iter().find(|(before, after)| before != after || a == b);
        told_apart.unwrap_or_else(|| (self.precise(a, MOST), self.precise(b, MOST)))
    }

    /// For an axis whose largest value is `largest`: what values are multiplied by, and the unit that they then have.
    pub(crate) fn axis(self, largest: f64) -> (f64, &'a str) {
        let step = |base: f64, names: [&'static str; 4]| {
            let power = (largest.abs().max(1.0).log(base) + 1e-9).floor().clamp(0.0, 3.0);
            (base.powi(-(power as i32)), names[power as usize])
        };
        match self {
            Self::Share => (100.0, "%"),
            Self::Bytes => step(1024.0, ["B", "KiB", "MiB", "GiB"]),
            Self::Count => step(1000.0, ["", "thousands", "millions", "thousand millions"]),
            Self::Microseconds => step(1000.0, ["µs", "ms", "s", "1000 s"]),
            Self::Ratio => (1.0, "ratio"),
            Self::Other(unit) => (1.0, unit),
        }
    }
}

/// A count to three digits or so, with a prefix above 10 000: `9 216`, `12.3 M`.
fn scaled(value: f64) -> String {
    let (factor, prefix) = match value.abs() {
        v if v >= 1e9 => (1e-9, "G"),
        v if v >= 1e6 => (1e-6, "M"),
        v if v >= 1e4 => (1e-3, "k"),
        _ => return whole(value),
    };
    format!("{} {prefix}", text::significant(value * factor, 4))
}

fn whole(value: f64) -> String {
    let digits = text::grouped(value.abs().round() as u64);
    if value < 0.0 { format!("−{digits}") } else { digits }
}

/// A number with that many decimals and a true minus sign; never `−0.0`.
pub(crate) fn decimals(value: f64, decimals: usize) -> String {
    let number = format!("{:.decimals$}", value.abs());
    let is_zero = number.bytes().all(|b| matches!(b, b'0' | b'.'));
    if value < 0.0 && !is_zero { format!("−{number}") } else { number }
}

/// `0.71× → 0.78×`; the later one alone where the earlier one is undefined.
pub(crate) fn arrow(unit: Unit<'_>, before: Option<f64>, after: Option<f64>) -> String {
    let (before, after) = unit.pair(before, after);
    if before == MISSING { after } else { format!("{before} → {after}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_in_its_unit() {
        let show = |unit, value| Unit::named(unit).show(Some(value));
        assert_eq!(show("share", 0.9777), "97.8 %");
        assert_eq!(show("bytes", 12_595.0), "12.3 KiB");
        assert_eq!(show("µs", 12_400.0), "12.4 ms");
        assert_eq!(show("×", 0.5234), "0.52×");
        assert_eq!(show("dB", 31.239), "31.24 dB");
        assert_eq!(show("count", 9_216.0), "9\u{202f}216");
        assert_eq!(show("count", 12_345_678.0), "12.35 M");
        assert_eq!(Unit::Share.show(Some(f64::NAN)), MISSING);
    }

    #[test]
    fn two_values_that_differ_read_differently() {
        assert_eq!(arrow(Unit::Ratio, Some(0.712), Some(0.782)), "0.71× → 0.78×");
        assert_eq!(arrow(Unit::Ratio, Some(0.712), Some(0.714)), "0.7120× → 0.7140×");
        assert_eq!(arrow(Unit::Share, Some(0.97777), Some(0.97812)), "97.78 % → 97.81 %");
        let bytes = arrow(Unit::Bytes, Some(1_048_576.0), Some(1_048_580.0));
        assert_eq!(bytes, "1\u{202f}048\u{202f}576 B → 1\u{202f}048\u{202f}580 B");
        assert_eq!(arrow(Unit::Bytes, Some(2048.0), Some(2048.0)), "2.0 KiB → 2.0 KiB");
        assert_eq!(arrow(Unit::Share, None, Some(0.031)), "3.1 %");
        assert_eq!(arrow(Unit::Share, Some(0.5), None), "50.0 % → –");
    }

    #[test]
    fn an_interval_names_the_unit_once() {
        assert_eq!(Unit::Ratio.with_interval(0.523, Some(0.5), Some(0.54)), "0.52× [0.50, 0.54]");
        assert_eq!(Unit::Share.with_interval(0.972, Some(0.957), Some(0.982)), "97.2 % [95.7, 98.2]");
        let bytes = Unit::Bytes.with_interval(2048.0, Some(1000.0), Some(3072.0));
        assert_eq!(bytes, "2.0 KiB [1000 B, 3.0 KiB]");
        assert_eq!(Unit::Other("").with_interval(0.5, Some(0.25), Some(0.75)), "0.5000 [0.2500, 0.7500]");
        assert_eq!(Unit::Ratio.with_interval(0.5, None, Some(1.0)), "0.50×");
        assert_eq!(Unit::Ratio.with_interval(f64::NAN, None, None), MISSING);
    }

    #[test]
    fn an_axis_has_numbers_of_a_readable_size() {
        assert_eq!(Unit::Share.axis(0.98), (100.0, "%"));
        assert_eq!(Unit::Bytes.axis(3.0 * 1024.0 * 1024.0), (1024f64.powi(-2), "MiB"));
        assert_eq!(Unit::Microseconds.axis(1000.0), (1e-3, "ms"));
        assert_eq!(Unit::Count.axis(12.0), (1.0, ""));
    }

    #[test]
    fn decimals_have_a_minus_sign_and_no_minus_zero() {
        assert_eq!([-1.25, -0.01, 3.0].map(|v| decimals(v, 1)), ["−1.2", "0.0", "3.0"]);
    }
}
