//! `calibench formats`: what number formats hold, and what they make of values.

use anyhow::{Result, bail};
use calibench_quant::{FloatFormat, IntFormat, Overflow, QParams, Range, Symmetry};
use clap::Args;
use serde::Serialize;

use super::aligned;
use crate::cli::Format;
use crate::console;

/// Integer formats, which hold codes.
const INTEGERS: [IntFormat; 3] = [IntFormat::INT16, IntFormat::INT8, IntFormat::INT4];

/// Options of `formats`.
#[derive(Debug, Args)]
pub struct Formats {
    /// Numbers, such as 1e-12, 65504 or -0.1, of which to show what each format makes
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub values: Vec<f64>,
    /// The largest magnitude that integer codes stand for [default: that of the values, as min-max calibration takes it]
    #[arg(long, value_name = "ABS", requires = "values")]
    pub max: Option<f64>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// One format.
#[derive(Debug, Serialize)]
struct Described {
    format: String,
    bits: u32,
    exponent_bits: Option<u32>,
    /// With the leading bit that is not stored.
    significand_bits: Option<u32>,
    largest: f64,
    smallest_normal: Option<f64>,
    smallest_subnormal: Option<f64>,
    epsilon: Option<f64>,
    decimal_digits: u32,
    bytes_per_million: f64,
}

/// What a format makes of a value.
#[derive(Debug, Serialize)]
struct Made {
    value: f64,
    format: String,
    /// Infinite values are text, which JSON has no numbers for.
    becomes: String,
    relative_error: Option<f64>,
    outcome: String,
}

/// Prints the formats, or what they make of the values.
///
/// # Errors
/// When --max is no positive number.
pub fn run(options: &Formats) -> Result<()> {
    if options.values.is_empty() {
        let all = described();
        console::result(&match options.format {
            Format::Json => serde_json::to_string_pretty(&all)?,
            Format::Table => formats_table(&all),
        });
        return Ok(());
    }
    let (scale_max, made) = made(&options.values, options.max)?;
    console::result(&match options.format {
        Format::Json => serde_json::to_string_pretty(&made)?,
        Format::Table => values_table(&made, scale_max),
    });
    Ok(())
}

fn described() -> Vec<Described> {
    let float = |f: &FloatFormat| Described {
        format: f.id.to_owned(),
        bits: f.bits,
        exponent_bits: Some(f.exponent_bits),
        significand_bits: Some(f.fraction_bits as u32 + 1),
        largest: f.largest,
        smallest_normal: Some(f.smallest_normal()),
        smallest_subnormal: Some(f.smallest_subnormal()),
        epsilon: Some(f.epsilon()),
        decimal_digits: f.decimal_digits(),
        bytes_per_million: f64::from(f.bits) / 8.0 * 1e6,
    };
    let integer = |f: &IntFormat| Described {
        format: f.to_string(),
        bits: u32::from(f.bits),
        exponent_bits: None,
        significand_bits: None,
        largest: f64::from(f.range(Symmetry::Affine).1),
        smallest_normal: None,
        smallest_subnormal: None,
        epsilon: None,
        decimal_digits: (f64::from(f.bits) * 2.0_f64.log10()).floor() as u32,
        bytes_per_million: f64::from(f.bits) / 8.0 * 1e6,
    };
    FloatFormat::ALL.iter().map(float).chain(INTEGERS.iter().map(integer)).collect()
}

fn formats_table(all: &[Described]) -> String {
    let headings = [
        "format",
        "bits",
        "exp",
        "sig",
        "largest",
        "smallest normal",
        "subnormal",
        "epsilon",
        "digits",
        "MB/M",
    ];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    let none = || "–".to_owned();
    rows.extend(all.iter().map(|f| {
        let number = |v: Option<f64>| v.map_or_else(none, short);
        let count = |v: Option<u32>| v.map_or_else(none, |v| v.to_string());
        vec![
            f.format.clone(),
            f.bits.to_string(),
            count(f.exponent_bits),
            count(f.significand_bits),
            if f.exponent_bits.is_some() { short(f.largest) } else { format!("{} · S", f.largest) },
            number(f.smallest_normal),
            number(f.smallest_subnormal),
            number(f.epsilon),
            f.decimal_digits.to_string(),
            format!("{}", f.bytes_per_million / 1e6),
        ]
    }));
    format!(
        "{}\nsig: bits of the significand, the leading one included. epsilon: from 1 to the next larger number; rounding errs by at \
         most\nhalf of it. MB/M: megabytes for a million parameters. tf32 is held in 32 bits; fp8 conversions saturate.\nIntegers \
         hold codes: x = S · (code − Z), with a scale S that calibration chooses; the smallest step is S.\n`calibench formats \
         1e-12 1e5` shows what each format makes of a value.",
        aligned(&rows, 0..1)
    )
}

/// What every format makes of every value, and the magnitude that integer codes reach to.
fn made(values: &[f64], max: Option<f64>) -> Result<(f64, Vec<Made>)> {
    let largest = values.iter().map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let scale_max = max.unwrap_or(if largest > 0.0 { largest } else { 1.0 });
    if !(scale_max > 0.0 && scale_max <= f64::from(f32::MAX)) {
        bail!("--max {scale_max} must be a positive number within the range of fp32");
    }
    let mut made = Vec::new();
    for &value in values {
        made.extend(FloatFormat::ALL.iter().map(|f| of_float(f, value)));
        for format in INTEGERS {
            made.push(of_integer(format, value, scale_max)?);
        }
    }
    Ok((scale_max, made))
}

fn of_float(f: &FloatFormat, value: f64) -> Made {
    let kept = f.round(value);
    let bits = f.significant_bits(value);
    let all = f.fraction_bits as u32 + 1;
    let outcome = if value.is_nan() || value.is_infinite() && kept == value {
        "as it is".to_owned()
    } else if kept.is_infinite() {
        format!("overflow: above the largest, {}", short(f.largest))
    } else if value.abs() > f.largest && f.overflow == Overflow::Saturates {
        format!("saturates at the largest, {}", short(f.largest))
    } else if kept == value {
        "exact".to_owned()
    } else if kept == 0.0 {
        format!("flushed to 0: the smallest is {}", short(f.smallest_subnormal()))
    } else if bits < all {
        format!("subnormal: {bits} of {all} bits left")
    } else {
        "rounded".to_owned()
    };
    Made {
        value,
        format: f.id.to_owned(),
        becomes: short(kept),
        relative_error: relative(value, kept),
        outcome,
    }
}

fn of_integer(format: IntFormat, value: f64, max: f64) -> Result<Made> {
    let range = Range { low: -max as f32, high: max as f32 };
    let qparams = QParams::from_range("values", range, format, Symmetry::Symmetric)?;
    let made = |becomes: String, relative_error, outcome: String| Made {
        value,
        format: format.to_string(),
        becomes,
        relative_error,
        outcome,
    };
    if !value.is_finite() {
        return Ok(made("–".to_owned(), None, "no code stands for it".to_owned()));
    }
    let code = qparams.quantize(value as f32, 0);
    let kept = f64::from(qparams.fake_quantize(value as f32, 0));
    let outcome = match (code, kept == value) {
        (_, true) => format!("code {code}, exact"),
        (0, _) => "code 0: less than half a step".to_owned(),
        _ if value.abs() > max => format!("code {code}: clipped"),
        _ => format!("code {code}"),
    };
    Ok(made(short(kept), relative(value, kept), outcome))
}

fn relative(value: f64, kept: f64) -> Option<f64> {
    let error = (kept - value).abs() / value.abs();
    if value == kept { Some(0.0) } else { Some(error).filter(|e| e.is_finite()) }
}

fn values_table(made: &[Made], scale_max: f64) -> String {
    let headings = ["value", "format", "what happens", "becomes", "relative error"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    let mut last = None;
    for m in made {
        // A value once, above what is made of it.
        let same = last.is_some_and(|v: f64| v.to_bits() == m.value.to_bits());
        last = Some(m.value);
        rows.push(vec![
            if same { String::new() } else { short(m.value) },
            m.format.clone(),
            m.outcome.clone(),
            m.becomes.clone(),
            match m.relative_error {
                None => "–".to_owned(),
                Some(0.0) => "0".to_owned(),
                Some(e) if e >= 0.01 => format!("{e:.2}"),
                Some(e) => format!("{e:.1e}"),
            },
        ]);
    }
    format!(
        "{}\nInteger codes are symmetric and reach to {} (--max chooses; min-max calibration takes the largest magnitude).",
        aligned(&rows, 0..3),
        short(scale_max)
    )
}

/// As many digits as tell the value, up to eight.
fn short(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return format!("{v}");
    }
    let plain = (1e-4..1e7).contains(&v.abs());
    let full = if plain { format!("{v}") } else { format!("{v:e}") };
    if full.len() <= 11 {
        return full;
    }
    if plain { calibench_report::significant(v).replace('−', "-") } else { format!("{v:.3e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_half_precision_makes_of_small_and_large_numbers() {
        let of = |value| {
            let made = of_float(&FloatFormat::FP16, value);
            (made.becomes, made.outcome)
        };
        assert_eq!(of(1e-12).0, "0");
        assert_eq!(of(1e5).0, "inf");
        assert_eq!(of(1e-6).1, "subnormal: 5 of 11 bits left");
        assert_eq!(of(0.5), ("0.5".to_owned(), "exact".to_owned()));
        assert_eq!(of(f64::NAN).1, "as it is");
    }

    #[test]
    fn integers_depend_on_the_scale_that_is_said() {
        let made = of_integer(IntFormat::INT8, 10.0, 127.0).unwrap();
        assert_eq!((made.becomes.as_str(), made.outcome.as_str()), ("10", "code 10, exact"));
        let made = of_integer(IntFormat::INT8, 1000.0, 127.0).unwrap();
        assert_eq!(made.outcome, "code 127: clipped");
        assert!(super::made(&[1.0], Some(0.0)).is_err());
    }
}
