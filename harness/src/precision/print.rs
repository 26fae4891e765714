//! The lab's findings as text.

use super::sensitivity::Findings;
use super::site::Site;
use super::trials::Effect;
use crate::commands::aligned;

const MISSING: &str = "–";

/// The ranking, the constants that are lost and the proposed list.
pub(super) fn table(findings: &Findings, top: usize) -> String {
    let scored = findings.fp32_score.is_some();
    let mut headings = vec!["#", "alone dB", "all but dB", "own dB"];
    if findings.is_half() {
        headings.push("here dB");
    }
    if scored {
        headings.extend(["alone", "all but"]);
    }
    headings.extend(["site", "operator", "reason"]);
    let shown = if top == 0 { findings.sites.len() } else { top.min(findings.sites.len()) };
    let mut rows = vec![headings.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(findings.sites[..shown].iter().enumerate().map(|(i, site)| row(findings, i, site)));
    let columns = rows[0].len();
    let mut text = format!("{}\n\n{}", head(findings), aligned(&rows, columns - 3..columns));
    if shown < findings.sites.len() {
        text.push_str(&format!("… and {} more sites (--top 0 shows all)\n", findings.sites.len() - shown));
    }
    text.push_str(&legend(findings, scored));
    text.push_str(&proposal(findings));
    text
}

fn head(findings: &Findings) -> String {
    let everything = findings.everything.map_or("not measured".to_owned(), |e| outcome(&e, findings));
    let fp32 =
        findings.fp32_score.map(|s| format!("; {} in fp32 {s:.4}", findings.metric)).unwrap_or_default();
    format!(
        "{} in {}, {} samples{fp32}\neverything converted: {everything}",
        findings.model, findings.dtype, findings.samples
    )
}

fn outcome(effect: &Effect, findings: &Findings) -> String {
    let noise = match effect.sqnr_db {
        Some(db) => format!("output SQNR {db:.1} dB"),
        None => format!("{:.1} % of the samples have outputs that are not finite", 100.0 * effect.lost),
    };
    match effect.score.filter(|_| findings.fp32_score.is_some()) {
        Some(score) => format!("{noise}, {} {score:.4}", findings.metric),
        None => noise,
    }
}

fn row(findings: &Findings, index: usize, site: &Site) -> Vec<String> {
    let decibels = |db: Option<f64>| db.map_or(MISSING.to_owned(), |db| format!("{db:.1}"));
    let effect = |e: &Option<Effect>| match e {
        None => MISSING.to_owned(),
        Some(e) if e.lost > 0.0 => "lost".to_owned(),
        Some(e) => decibels(e.sqnr_db),
    };
    let score = |e: &Option<Effect>| {
        e.and_then(|e| e.score).map_or(MISSING.to_owned(), |score| format!("{score:.4}"))
    };
    let mut cells =
        vec![(index + 1).to_string(), effect(&site.alone), effect(&site.all_but), decibels(site.own_sqnr_db)];
    if findings.is_half() {
        cells.push(decibels(site.run_sqnr_db));
    }
    if findings.fp32_score.is_some() {
        cells.extend([score(&site.alone), score(&site.all_but)]);
    }
    cells.extend([site.name.clone(), site.op.to_owned(), site.reason.clone()]);
    cells
}

fn legend(findings: &Findings, scored: bool) -> String {
    let mut text = "\nalone: the output's SQNR with this site converted and nothing else; all but: with everything else \
                    converted; lost: outputs that are not finite.\n"
        .to_owned();
    text.push_str(if findings.is_half() {
        "own: what rounding the site's values costs by itself; here: with everything before it rounded too.\n"
    } else {
        "own: what quantizing its worst operand costs by itself.\n"
    });
    if scored {
        text.push_str(&format!("The columns without dB are {} on the same samples.\n", findings.metric));
    }
    text
}

fn proposal(findings: &Findings) -> String {
    let Some(proposal) = &findings.proposal else {
        return "\nInterrupted before a list of sites to keep was found.\n".to_owned();
    };
    let reached = outcome(&proposal.effect, findings);
    if proposal.keep.is_empty() {
        return format!("\nNothing need be kept in fp32: {reached} (target {} dB).\n", proposal.target_db);
    }
    let all = findings.sites.len();
    let but = if proposal.keep.len() == all { " (all of them: fp32)" } else { "" };
    format!(
        "\nKeep {} of {all} sites in fp32{but} to reach {} dB: {reached}.\n  --keep-float {}\n",
        proposal.keep.len(),
        proposal.target_db,
        proposal.keep.join(",")
    )
}
