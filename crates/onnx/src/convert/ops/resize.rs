//! Resampling of images.

use calibench_graph::{Coordinates, Interpolation, Op};

use super::super::converter::{Converter, Operand, Result};
use super::super::fold::LARGEST;
use super::products::{squared, unsquared};

pub(super) fn resize<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    if !matches!(shape.len(), 3 | 4) {
        return Err(c.unsupported(format!("takes [N, C, L] or [N, C, H, W], got {shape:?}")));
    }
    let first = c.model.opset < 11;
    let coordinates =
        match c.text("coordinate_transformation_mode", if first { "asymmetric" } else { "half_pixel" })? {
            "half_pixel" => Coordinates::HalfPixel,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "align_corners" => Coordinates::AlignCorners,
            "asymmetric" => Coordinates::Asymmetric,
            other => return Err(c.unsupported(format!("does not map positions by `{other}`"))),
        };
    let interpolation = match (
        c.text("mode", "nearest")?,
        c.text("nearest_mode", if first { "floor" } else { "round_prefer_floor" })?,
    ) {
        ("linear", _) => Interpolation::Linear,
        ("nearest", "round_prefer_floor") => Interpolation::NearestPreferFloor,
        ("nearest", "round_prefer_ceil") => Interpolation::NearestPreferCeil,
        ("nearest", "floor") => Interpolation::NearestFloor,
        ("nearest", "ceil") => Interpolation::NearestCeil,
        (mode, nearest) => {
            return Err(c.unsupported(format!("does not interpolate by `{mode}` and `{nearest}`")));
        }
    };
    for (name, only) in [("antialias", 0), ("exclude_outside", 0)] {
        if c.int(name, only)? != only {
            return Err(c.unsupported(format!("has `{name}`")));
        }
    }
    if c.attribute("axes").is_some() || c.text("keep_aspect_ratio_policy", "stretch")? != "stretch" {
        return Err(
            c.unsupported("takes its sizes for some axes or by aspect ratio; export them for all axes")
        );
    }
    let scales = c.optional_floats(if first { 1 } else { 2 }, "scales")?.filter(|s| !s.is_empty());
    let sizes = c.optional_ints(3, "sizes")?.filter(|s| !s.is_empty());
    // By scales the size is rounded down, and positions go by the scale itself.
    let axis = |i: usize| match (&scales, &sizes) {
        (Some(scales), None) => {
            let scale = *scales.get(i)?;
            Some(((shape[i] as f32 * scale).floor() as usize, scale))
        }
        (None, Some(sizes)) => {
            let size = usize::try_from(*sizes.get(i)?).ok()?;
            Some((size, size as f32 / shape[i] as f32))
        }
        _ => None,
    };
    let axes: Option<Vec<(usize, f32)>> = (0..shape.len()).map(axis).collect();
    let fits = |a: &Vec<(usize, f32)>| {
        a.iter().all(|(n, s)| (1..=LARGEST).contains(n) && s.is_finite() && *s > 0.0)
            && (a[0].0 == shape[0] || (c.rebatched && a[0].0 == 1))
            && a[1].0 == shape[1]
    };
    let axes = axes.filter(fits).ok_or_else(|| {
        c.unsupported("needs known scales or sizes that leave batch and channels as they are")
    })?;
    let (spatial, (w, sw)) = (shape.len() - 2, axes[shape.len() - 1]);
    let (h, sh) = if spatial == 2 { axes[2] } else { (1, 1.0) };
    let x = squared(c, x)?;
    let y = c.emit(Op::Resize2d { size: [h, w], coordinates, interpolation, scale: [sh, sw] }, &[x])?;
    unsquared(c, y, spatial)
}
