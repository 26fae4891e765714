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
        let headings: Vec<&str> = COLUMNS.iter().map(|(heading, _)| *heading).collect();
        let row = |a: &&Answer| COLUMNS.iter().map(|(_, cell)| cell(a)).collect();
        parts.push(text_table(&headings, &good.iter().map(row).collect::<Vec<_>>(), 2, width));
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

/// A column of the table: its heading and what stands below it.
type Column = (&'static str, fn(&Answer) -> String);

/// The most telling first: the last are left out where they do not fit.
const COLUMNS: &[Column] = &[
    ("case", |a| a.case.clone()),
    ("calibrator", |a| a.calibrator.clone()),
    ("low", |a| span(a.low.as_ref())),
    ("high", |a| span(a.high.as_ref())),
    ("scale", |a| span(a.scale.as_ref())),
    ("zero", |a| zero_point(a.zero_point.as_ref())),
    ("SQNR dB", |a| decimals(a.distances.sqnr_db, 2)),
    ("gap", |a| a.oracle_gap.map_or(MISSING.to_owned(), gap)),
    ("clipped %", |a| percent(a.distances.clipped_share)),
    ("codes %", |a| decimals(a.distances.codes_used_share.map(|v| v * 100.0), 0)),
    ("max error", |a| number(a.distances.max_abs_error)),
    ("JS nats", |a| number(a.distances.js_nats)),
    ("symmetry", |a| a.symmetry.to_owned()),
];

const MISSING: &str = "–";

fn number(v: Option<f64>) -> String {
    v.map_or(MISSING.to_owned(), significant)
}

fn percent(v: Option<f64>) -> String {
    number(v.map(|v| v * 100.0))
}

fn decimals(v: Option<f64>, places: usize) -> String {
    v.map_or(MISSING.to_owned(), |v| format!("{v:.places$}"))
}

fn gap(v: f64) -> String {
    if v < 100.0 { format!("{v:.3}") } else { significant(v) }
}

/// A number, or from the least to the largest of many.
fn span(values: Option<&OneOrMany>) -> String {
    let Some(values) = values else { return MISSING.to_owned() };
    if let Some(one) = values.one() {
        return significant(one);
    }
    let ends =
        values.all().iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    format!("{} … {}", significant(ends.0), significant(ends.1))
}

fn zero_point(zero: Option<&ZeroPoint>) -> String {
    match zero {
        None => MISSING.to_owned(),
        Some(ZeroPoint::One(zero)) => zero.to_string(),
        Some(ZeroPoint::Many(zeros)) => match (zeros.iter().min(), zeros.iter().max()) {
            (Some(least), Some(most)) if least != most => format!("{least} … {most}"),
            (least, _) => least.map_or(MISSING.to_owned(), ToString::to_string),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_below_its_heading_and_narrow_tables_lose_the_last_columns() {
        let answer = Answer {
            case: "relu".to_owned(),
            calibrator: "mse".to_owned(),
            dtype: "int8".to_owned(),
            symmetry: "affine",
            low: Some(OneOrMany::One(-1.25)),
            high: Some(OneOrMany::One(2.5)),
            zero_point: Some(ZeroPoint::One(-43)),
            oracle_gap: Some(1.5),
            ..Answer::default()
        };
        let wide = table(std::slice::from_ref(&answer), 200);
        let lines: Vec<Vec<char>> = wide.lines().map(|line| line.chars().collect()).collect();
        let (head, row) = (&lines[2], &lines[4]);
        let text = |line: &[char]| line.iter().collect::<String>();
        for (heading, value) in [("low", "−1.250"), ("high", "2.500"), ("zero", "-43"), ("gap", "1.500")] {
            // Numbers are aligned right: heading and value end in one column.
            let byte = text(head).find(heading).unwrap() + heading.len();
            let end = text(head)[..byte].chars().count();
            assert!(text(&row[..end]).ends_with(value), "{heading}:\n{wide}");
        }
        let narrow = table(&[answer], 60);
        assert!(!narrow.contains("JS nats") && narrow.contains("zero"), "{narrow}");
    }
}
