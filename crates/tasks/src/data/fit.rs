//! Arrays to inputs of the shape that the model takes.

use super::source::{Array, Elements, Kind, not_a_number};
use super::{DataError, DataSpec, EXACT, InputSignature, Layout};
use crate::Feature;
use crate::data::source::ArrayInfo;

/// How the samples of an array become those of an input.
#[derive(Debug, PartialEq, Eq)]
enum Fit {
    /// Row-major order stays.
    Reshape(Vec<usize>),
    /// From height, width, channels to this shape of channels first.
    Transpose { from: [usize; 3], to: Vec<usize> },
}

/// The input, and what was done to its shape where something was.
pub(super) fn feature(
    array: Array,
    input: &InputSignature,
    spec: &DataSpec,
) -> Result<(Feature, Option<String>), DataError> {
    let fit = fit(&array.shape, &input.shape, spec.layout).map_err(|advice| DataError::Shape {
        path: array.path.clone(),
        array: array.name.clone(),
        got: array.shape.clone(),
        input: input.name.clone(),
        expected: written(&input.shape),
        advice,
    })?;
    let got = array.shape.clone();
    let name = array.name.clone();
    let values = numbers(array)?;
    let (shape, mut data, note) = match fit {
        Fit::Reshape(shape) => {
            let note = (shape != got).then(|| format!("`{name}`: {got:?} taken as {shape:?}"));
            (shape, values, note)
        }
        Fit::Transpose { from, to } => {
            let data = channels_first(&values, from);
            let note = format!("`{name}`: {got:?} transposed from channels last to channels first, {to:?}");
            (to, data, Some(note))
        }
    };
    normalise(&mut data, &shape, spec)?;
    Ok((Feature { name: input.name.clone(), shape, data }, note))
}

/// `[?, 3, 32, 32]` without the batch axis, `?` for any size.
fn written(shape: &[Option<usize>]) -> String {
    let sizes: Vec<String> = shape.iter().map(|s| s.map_or("?".to_owned(), |s| s.to_string())).collect();
    format!("[{}]", sizes.join(", "))
}

/// How `got` fits into `wanted`; else what the user can do, for the error.
fn fit(got: &[usize], wanted: &[Option<usize>], layout: Option<Layout>) -> Result<Fit, String> {
    if layout != Some(Layout::Nhwc) {
        if matches(got, wanted) {
            return Ok(Fit::Reshape(got.to_vec()));
        }
        if let Some(shape) = without_ones(got, wanted) {
            return Ok(Fit::Reshape(shape));
        }
    }
    let transposed = match *got {
        [h, w, c] if layout != Some(Layout::Nchw) => Some([h, w, c]),
        [h, w] if layout == Some(Layout::Nhwc) => Some([h, w, 1]),
        _ => None,
    };
    if let Some(from @ [h, w, c]) = transposed
        && let Some(to) = Some(vec![c, h, w]).filter(|to| matches(to, wanted))
    {
        return Ok(Fit::Transpose { from, to });
    }
    flat(got, wanted, layout)
}

fn matches(got: &[usize], wanted: &[Option<usize>]) -> bool {
    got.len() == wanted.len() && got.iter().zip(wanted).all(|(g, w)| w.is_none_or(|w| w == *g))
}

/// The wanted shape where both are the same but for axes of size 1.
fn without_ones(got: &[usize], wanted: &[Option<usize>]) -> Option<Vec<usize>> {
    let mut sizes = got.iter().copied().filter(|size| *size != 1);
    let mut shape = Vec::with_capacity(wanted.len());
    for size in wanted {
        match size {
            Some(1) => shape.push(1),
            Some(size) => shape.push(sizes.next().filter(|s| s == size)?),
            None => shape.push(sizes.next()?),
        }
    }
    sizes.next().is_none().then_some(shape)
}

/// Between one axis and several of as many values in all.
fn flat(got: &[usize], wanted: &[Option<usize>], layout: Option<Layout>) -> Result<Fit, String> {
    let Some(known) = wanted.iter().copied().collect::<Option<Vec<usize>>>() else {
        return Err(String::new());
    };
    let values: usize = got.iter().product();
    if values != known.iter().product::<usize>() || (got.len() > 1 && known.len() > 1) {
        return Err(String::new());
    }
    // Three axes of more than one value have channels, which may come first or last in the row.
    let images = if got.len() > known.len() { got } else { &known[..] };
    let channels = images.iter().filter(|size| **size > 1).count() > 2;
    match (layout, images, got.len() > known.len()) {
        _ if !channels => Ok(Fit::Reshape(known)),
        (Some(Layout::Nchw), ..) => Ok(Fit::Reshape(known)),
        (Some(Layout::Nhwc), &[c, h, w], false) => Ok(Fit::Transpose { from: [h, w, c], to: known }),
        (Some(Layout::Nhwc), &[h, w, c], true) => Ok(Fit::Transpose { from: [h, w, c], to: known }),
        _ => Err("; say `layout = \"nchw\"` or `layout = \"nhwc\"` of the data".to_owned()),
    }
}

/// `[samples, h, w, c]` to `[samples, c, h, w]`.
fn channels_first(values: &[f32], [h, w, c]: [usize; 3]) -> Vec<f32> {
    let mut data = Vec::with_capacity(values.len());
    for sample in values.chunks_exact(h * w * c) {
        for channel in 0..c {
            data.extend(sample.iter().skip(channel).step_by(c));
        }
    }
    data
}

/// The elements, all finite, and whole numbers exact.
pub(super) fn numbers(array: Array) -> Result<Vec<f32>, DataError> {
    let Array { name, path, shape, first, elements, kind } = array;
    let values = match elements {
        Elements::Numbers(values) => values,
        Elements::Text(values) => {
            let info = ArrayInfo { name, shape, kind, column: true };
            return Err(not_a_number(&path, &info, &values, first));
        }
    };
    let limit = if kind == Kind::Whole { EXACT as f32 } else { f32::INFINITY };
    let Some(place) = values.iter().position(|v| v.is_nan() || v.abs() >= limit) else { return Ok(values) };
    let width: usize = shape.iter().product();
    let value = values[place];
    let reason = match kind {
        Kind::Whole => super::inexact(value as i64),
        _ => format!("{value} is not a finite number; remove the row or mend the value"),
    };
    let column = super::place_in(&shape, place % width.max(1));
    Err(DataError::Value { path, array: name, row: first + place / width.max(1), column, reason })
}

/// (value / scale − mean) / std, mean and std by channel.
fn normalise(data: &mut [f32], shape: &[usize], spec: &DataSpec) -> Result<(), DataError> {
    let scale = spec.scale.unwrap_or(1.0);
    if spec.scale.is_none() && spec.mean.is_empty() && spec.std.is_empty() {
        return Ok(());
    }
    let channels = spec.mean.len().max(spec.std.len()).max(1);
    // How many values lie from one channel to the next, within one channel at a time.
    let stride = match *shape {
        _ if channels == 1 => 1,
        [first, ref rest @ ..] if first == channels => rest.iter().product(),
        [.., last] if last == channels => 1,
        _ => {
            let key = if spec.mean.len() == channels { "mean" } else { "std" };
            let reason = format!("{channels} numbers fit no channels of samples of shape {shape:?}");
            return Err(DataError::Entry { key, reason });
        }
    };
    let of = |list: &[f64], channel: usize, none: f64| match *list {
        [] => none,
        [all] => all,
        _ => list[channel],
    };
    for (key, list) in [("mean", &spec.mean), ("std", &spec.std)] {
        if list.len() > 1 && list.len() != channels {
            let reason = format!("{} numbers for {channels} channels", list.len());
            return Err(DataError::Entry { key, reason });
        }
    }
    let by_channel: Vec<(f64, f64)> =
        (0..channels).map(|c| (of(&spec.mean, c, 0.0), of(&spec.std, c, 1.0))).collect();
    for (place, value) in data.iter_mut().enumerate() {
        let (mean, std) = by_channel[place / stride % channels];
        *value = ((f64::from(*value) / scale - mean) / std) as f32;
    }
    match data.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(value) => {
            let reason =
                format!("normalised values become {value}; give scale, mean and std that fit the data");
            Err(DataError::Entry { key: "scale", reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 is any size.
    fn wanted(shape: &[usize]) -> Vec<Option<usize>> {
        shape.iter().map(|s| Some(*s).filter(|s| *s > 0)).collect()
    }

    fn reshaped(got: &[usize], into: &[usize], layout: Option<Layout>) -> Option<Vec<usize>> {
        match fit(got, &wanted(into), layout) {
            Ok(Fit::Reshape(shape)) => Some(shape),
            _ => None,
        }
    }

    #[test]
    fn shapes_that_say_the_same_fit() {
        let same: &[(&[usize], &[usize], &[usize])] = &[
            (&[1, 28, 28], &[1, 28, 28], &[1, 28, 28]),
            (&[28, 28], &[1, 28, 28], &[1, 28, 28]),
            (&[28, 28], &[1, 0, 0], &[1, 28, 28]),
            (&[28, 28, 1], &[1, 28, 28], &[1, 28, 28]),
            (&[784], &[1, 28, 28], &[1, 28, 28]),
            (&[28, 28], &[784], &[784]),
            (&[17], &[0], &[17]),
            (&[1], &[], &[]),
            (&[], &[1], &[1]),
        ];
        for (got, into, shape) in same {
            assert_eq!(reshaped(got, into, None).as_deref(), Some(*shape), "{got:?} {into:?}");
        }
    }

    #[test]
    fn channels_move_where_only_that_fits_or_when_asked_to() {
        let moved = |got: &[usize], into: &[usize], layout| match fit(got, &wanted(into), layout) {
            Ok(Fit::Transpose { from, to }) => Some((from, to)),
            _ => None,
        };
        let cifar = Some(([32, 32, 3], vec![3, 32, 32]));
        assert_eq!(moved(&[32, 32, 3], &[3, 32, 32], None), cifar);
        assert_eq!(moved(&[32, 32, 3], &[3, 0, 0], None), cifar);
        assert_eq!(moved(&[32, 32, 3], &[0, 0, 0], Some(Layout::Nhwc)), cifar);
        assert_eq!(moved(&[3072], &[3, 32, 32], Some(Layout::Nhwc)), cifar);
        assert_eq!(moved(&[3, 3, 3], &[3, 3, 3], None), None, "it fits as it is");
        assert_eq!(moved(&[32, 32, 3], &[3, 32, 32], Some(Layout::Nchw)), None);
        assert_eq!(reshaped(&[3072], &[3, 32, 32], Some(Layout::Nchw)), Some(vec![3, 32, 32]));
        assert_eq!(reshaped(&[32, 32, 3], &[32, 32, 3], None), Some(vec![32, 32, 3]));
    }

    #[test]
    fn what_could_be_read_two_ways_asks_for_the_layout() {
        for (got, into) in [(&[3072][..], &[3, 32, 32][..]), (&[32, 32, 3], &[3072])] {
            assert!(fit(got, &wanted(into), None).unwrap_err().contains("layout"));
        }
        for (got, into) in [(&[28, 28][..], &[1, 32, 32][..]), (&[4, 9], &[6, 6]), (&[784], &[1, 0, 0])] {
            assert!(fit(got, &wanted(into), None).is_err(), "{got:?} {into:?}");
        }
    }

    #[test]
    fn normalisation_is_by_channel_first_or_last() {
        let spec = |mean: &[f64], std: &[f64]| DataSpec {
            scale: Some(2.0),
            mean: mean.to_vec(),
            std: std.to_vec(),
            ..DataSpec::default()
        };
        let normal = |shape: &[usize], spec: &DataSpec| {
            let mut data = vec![2.0, 4.0, 6.0, 8.0];
            normalise(&mut data, shape, spec).map(|()| data).map_err(|e| e.to_string())
        };
        assert_eq!(normal(&[2, 2, 1], &spec(&[1.0, 2.0], &[0.5])), Ok(vec![0.0, 2.0, 2.0, 4.0]));
        assert_eq!(normal(&[1, 1, 2], &spec(&[1.0, 2.0], &[])), Ok(vec![0.0, 0.0, 2.0, 2.0]));
        assert_eq!(normal(&[4], &spec(&[], &[])), Ok(vec![1.0, 2.0, 3.0, 4.0]));
        assert!(normal(&[2, 2], &spec(&[1.0; 3], &[])).unwrap_err().contains("3 numbers fit no channels"));
        assert!(normal(&[4], &spec(&[1.0; 2], &[1.0; 4])).unwrap_err().contains("`mean`: 2 numbers for 4"));
    }
}
