//! Any method, channel by channel.

use calibench_quant::{Calibrator, IntFormat, Job, QParams, QuantError, Stats, Symmetry};

/// Parameters with one scale and zero point for each channel of axis 0: the method's answer for the
/// statistics of each channel's values.
///
/// Shape example: a tensor `[8, 512]` whose rows were observed apart gives 8 statistics and 8 scales.
/// PyTorch's per-channel observers are its per-tensor ones applied so.
///
/// # Errors
/// Those of [`Calibrator::calibrate`], with `site[channel]` as the site; [`QuantError::Invalid`] without a
/// channel.
pub fn per_channel(
    calibrator: &dyn Calibrator,
    site: &str,
    channels: &[Stats],
    format: IntFormat,
    symmetry: Symmetry,
) -> Result<QParams, QuantError> {
    let mut all: Option<QParams> = None;
    for (channel, stats) in channels.iter().enumerate() {
        let site = format!("{site}[{channel}]");
        let one = calibrator.calibrate(&Job { site: &site, stats, format, symmetry })?;
        match &mut all {
            None => all = Some(one),
            Some(all) => {
                all.scale.extend(one.scale);
                all.zero_point.extend(one.zero_point);
            }
        }
    }
    let reason = "no channel was observed".to_owned();
    all.ok_or_else(|| QuantError::Invalid { site: site.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_quant::{Range, find};

    #[test]
    fn each_channel_has_its_scale_and_errors_name_it() {
        let with =
            |high: f32| Stats { elements: 1, range: Some(Range { low: -1.0, high }), ..Stats::default() };
        let minmax = (find(crate::ALL, "calibrator", "minmax").unwrap().construct)();
        let of = |channels: &[Stats]| {
            per_channel(minmax.as_ref(), "w", channels, IntFormat::INT8, Symmetry::Symmetric)
        };
        let q = of(&[with(1.27), with(2.54)]).unwrap();
        assert_eq!((q.scale, q.zero_point), (vec![0.01, 0.02], vec![0, 0]));
        assert!(of(&[with(1.0), Stats::default()]).unwrap_err().to_string().contains("`w[1]`"));
        assert!(of(&[]).unwrap_err().to_string().contains("no channel"));
    }
}
