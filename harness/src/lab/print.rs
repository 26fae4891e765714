//! The answers as tables.

use calibench_report::{significant, text_table};

use super::answer::{Answer, OneOrMany, ZeroPoint};

/// A table of the answers, one of the intervals and one of the curves where there are any, and what had none.
#[must_use]
pub fn table(answers: &[Answer], width: u16) -> String {
    let good: Vec<&Answer> = answers.iter().filter(|a| a.error.is_none()).collect();
    let mut parts = Vec::new();
    if let Some(first) = good.first() {
        let asked = format!(
            "{}; low, high and max error in units of the tensor; gap: squared error over the least possible",
            first.dtype
        );
        parts.push(asked);
        parts.push(text_table(&HEADINGS, &good.iter().map(|a| row(a)).collect::<Vec<_>>(), 2, width));
    }
    parts.extend(intervals(&good, width));
    parts.extend(curves(&good, width));
    let without = answers.iter().filter_map(|a| {
        let error = a.error.as_ref()?;
        Some(format!("{} {}: {error}", a.case, a.calibrator))
    });
    parts.extend(without);
    parts.join("\n")
}

const HEADINGS: [&str; 13] = [
    "case",
    "calibrator",
    "symmetry",
    "low",
    "high",
    "scale",
    "zero",
    "SQNR dB",
    "max error",
    "clipped %",
    "codes %",
    "JS nats",
    "gap",
];

fn row(a: &Answer) -> Vec<String> {
    let number = |v: Option<f64>| v.map_or("–".to_owned(), significant);
    let percent = |v: Option<f64>| v.map_or("–".to_owned(), |v| significant(v * 100.0));
    let d = &a.distances;
    vec![
        a.case.clone(),
        a.calibrator.clone(),
        span(a.low.as_ref()),
        span(a.high.as_ref()),
        span(a.scale.as_ref()),
        zero_point(a.zero_point.as_ref()),
        d.sqnr_db.map_or("–".to_owned(), |v| format!("{v:.2}")),
        a.oracle_gap.map_or("–".to_owned(), |v| if v < 100.0 { format!("{v:.3}") } else { significant(v) }),
        percent(d.clipped_share),
        d.codes_used_share.map_or("–".to_owned(), |v| format!("{:.0}", v * 100.0)),
        number(d.max_abs_error),
        number(d.js_nats),
        a.symmetry.to_owned(),
    ]
}

/// A number, or from the least to the largest of many.
fn span(values: Option<&OneOrMany>) -> String {
    let Some(values) = values else { return "–".to_owned() };
    if let Some(one) = values.one() {
        return significant(one);
    }
    let ends =
        values.all().iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    format!("{} … {}", significant(ends.0), significant(ends.1))
}

fn zero_point(zero: Option<&ZeroPoint>) -> String {
    match zero {
        None => "–".to_owned(),
        Some(ZeroPoint::One(zero)) => zero.to_string(),
        Some(ZeroPoint::Many(zeros)) => match (zeros.iter().min(), zeros.iter().max()) {
            (Some(least), Some(most)) if least != most => format!("{least} … {most}"),
            (least, _) => least.map_or("–".to_owned(), ToString::to_string),
        },
    }
}

fn intervals(answers: &[&Answer], width: u16) -> Vec<String> {
    let rows: Vec<Vec<String>> = answers
        .iter()
        .filter_map(|a| {
            let b = a.bootstrap.as_ref()?;
            let interval = |ends: [f64; 2]| format!("{} … {}", significant(ends[0]), significant(ends[1]));
            Some(vec![
                a.case.clone(),
                a.calibrator.clone(),
                interval(b.low),
                interval(b.high),
                b.samples.to_string(),
                b.resamples.to_string(),
            ])
        })
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let headings = ["case", "calibrator", "low, 95 %", "high, 95 %", "samples", "resamples"];
    vec!["\nthresholds, resampled over the samples".to_owned(), text_table(&headings, &rows, 2, width)]
}

fn curves(answers: &[&Answer], width: u16) -> Vec<String> {
    let mut rows = Vec::new();
    for a in answers {
        for point in &a.curve {
            rows.push(vec![
                a.case.clone(),
                a.calibrator.clone(),
                point.samples.to_string(),
                significant(point.low),
                significant(point.high),
                significant(point.mse),
                significant(point.worst_mse),
            ]);
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let headings = ["case", "calibrator", "samples", "low", "high", "mse of all values", "worst draw"];
    vec![
        "\nhow many samples suffice: medians over random subsets".to_owned(),
        text_table(&headings, &rows, 2, width),
    ]
}
