//! Why a site suffers, in words: the gravest finding only.

use super::constants::Loss;
use super::half::Half;
use super::site::{Operand, Site};
use super::statistics::{Norm, Statistics};

/// A share from which values that vanish are worth a word.
const MANY: f64 = 0.01;

/// The reason of a site in half precision.
pub(super) fn of_half(site: &Site, half: Half) -> String {
    let Some(s) = &site.statistics else { return "not reached by the samples".to_owned() };
    let name = &site.name;
    if s.not_finite > 0 {
        return format!("{} of its values are not finite in fp32 already", s.not_finite);
    }
    if s.overflow > 0 {
        return format!(
            "values up to {} are above {}'s largest, {}: {} of {} become infinite",
            short(s.max_abs),
            half.id(),
            short(half.format().largest as f32),
            s.overflow,
            s.values
        );
    }
    if let Some(reason) = normalisation(site, half) {
        return reason;
    }
    if let Some(loss) = site.constants.iter().find(|l| l.overflow > 0) {
        return format!(
            "{} of the numbers of {} overflow {}, such as {}",
            loss.overflow,
            loss.constant,
            half.id(),
            short(loss.example)
        );
    }
    if s.born > 0 {
        return format!("{} values that are not finite come about in {name}", s.born);
    }
    if s.half_not_finite > 0 {
        return "not finite, because what it reads is not".to_owned();
    }
    finite(site, s, half)
}

/// What may go wrong inside a layer normalisation.
fn normalisation(site: &Site, half: Half) -> Option<String> {
    let norm = site.statistics.as_ref()?.norm?;
    let Norm { rows, no_variance, absorbed, square_overflow, max_deviation } = norm;
    let epsilon: Option<&Loss> = site.constants.iter().find(|l| l.epsilon);
    if square_overflow > 0 {
        return Some(format!(
            "squares of deviations up to {} are above {}'s largest, {}: the variance of {square_overflow} of {rows} rows is \
             infinite",
            short(max_deviation),
            half.id(),
            short(half.format().largest as f32)
        ));
    }
    if let Some(loss) = epsilon {
        let zero = format!(
            "epsilon {} of {} is below {}'s smallest subnormal {}: becomes 0",
            short(loss.example),
            site.name,
            half.id(),
            short(half.format().smallest_subnormal() as f32)
        );
        return Some(match no_variance {
            0 => format!("{zero}; harmless in these samples, where every row has some variance"),
            n => format!("{zero}, and {n} of {rows} rows have no variance: 0 / 0"),
        });
    }
    (absorbed * 2 > rows && no_variance > 0).then(|| {
        format!("epsilon is absorbed: variance + epsilon is the variance in {absorbed} of {rows} rows")
    })
}

/// What rounding does where everything stays finite.
fn finite(site: &Site, s: &Statistics, half: Half) -> String {
    let share = |n: u64, of: u64| n as f64 / of.max(1) as f64;
    let flushed = share(s.flushed, s.values);
    if flushed > MANY {
        return format!("{} of its values become 0, down to {}", percent(flushed), short(s.min_abs));
    }
    if let Some(loss) = site.constants.iter().find(|l| l.flushed > 0) {
        return format!(
            "{} of {} numbers of {} become 0, such as {}",
            loss.flushed,
            loss.count,
            loss.constant,
            short(loss.example)
        );
    }
    let subnormal = share(s.subnormal, s.values);
    if subnormal > MANY {
        return format!("{} of its values are subnormal in {}", percent(subnormal), half.id());
    }
    let absorbed = share(s.absorbed, s.additions);
    if absorbed > MANY {
        return format!("{} of its additions absorb the smaller number", percent(absorbed));
    }
    match site.own_sqnr_db {
        Some(db) if db >= calibench_metrics::SQNR_CAP_DB => {
            format!("none: {} holds all its values", half.id())
        }
        Some(db) => format!("rounding only: its values keep {db:.0} dB"),
        None => "rounding only".to_owned(),
    }
}

/// The reason of a site in integers: its worst operand.
pub(super) fn of_integers(site: &Site) -> String {
    let known = site.operands.iter().filter_map(|o| Some((o, o.sqnr_db?)));
    let Some((worst, db)) = known.min_by(|a, b| a.1.total_cmp(&b.1)) else {
        return "the ranges of its operands are found at run time".to_owned();
    };
    let Operand { name, role, clipped, codes_used, .. } = worst;
    let mut text = format!("{role} {name} keeps {db:.0} dB");
    if let Some(share) = clipped.filter(|share| *share > 0.0005) {
        text.push_str(&format!(", {} of it clipped", percent(share)));
    }
    if let Some(share) = codes_used.filter(|share| *share < 0.5) {
        text.push_str(&format!(", {} of the codes used", percent(share)));
    }
    text
}

fn percent(share: f64) -> String {
    let points = 100.0 * share;
    if points < 1.0 { format!("{points:.2} %") } else { format!("{points:.0} %") }
}

/// A few significant digits, as people write them.
pub(super) fn short(v: f32) -> String {
    let magnitude = v.abs();
    if v != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let exact = format!("{v:e}");
        return if exact.len() <= "-1.5e-12".len() { exact } else { format!("{v:.1e}") };
    }
    calibench_report::significant(f64::from(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(1e-12), "1e-12");
        assert_eq!(short(::half::f16::from_bits(1).to_f32()), "6.0e-8");
        assert_eq!(short(65504.0), "65504");
    }
}
