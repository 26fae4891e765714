//! Reductions, pooling and resampling.

use calibench_graph::{Coordinates, Interpolation, Reduction, Window};

use super::emitter::{Emitter, Result};
use super::ops::{ints, simple};
use crate::{Attribute, Values};

pub(super) fn reduce(
    e: &mut Emitter<'_>,
    reduction: Reduction,
    axes: &[usize],
    keep: bool,
) -> Result<String> {
    // When the axes became an input.
    let (op, since) = match reduction {
        Reduction::Mean => ("ReduceMean", 18),
        Reduction::Sum => ("ReduceSum", 13),
        Reduction::L2 => ("ReduceL2", 18),
        Reduction::Max => ("ReduceMax", 18),
        Reduction::Min => ("ReduceMin", 18),
        Reduction::Prod => ("ReduceProd", 18),
    };
    let kind = e.result();
    if axes.is_empty() {
        return Err(e.unsupported("reduces no axis, which ONNX reads as all; remove the node"));
    }
    let x = e.input(0, kind)?;
    let keep = ("keepdims", Attribute::Int(i64::from(keep)));
    if e.opset < since {
        return Ok(e.emit(op, &[&x], vec![("axes", ints(axes)), keep]));
    }
    let axes: Vec<i64> = axes.iter().map(|a| *a as i64).collect();
    let axes = e.ints("axes", &axes);
    Ok(e.emit(op, &[&x, &axes], vec![keep]))
}

fn window_attributes(e: &Emitter<'_>, window: &Window) -> Result<Vec<(&'static str, Attribute)>> {
    let [top, left, bottom, right] = window.padding;
    let [height, width] = window.kernel;
    if top.max(bottom) >= height || left.max(right) >= width {
        return Err(e.unsupported("pads by its kernel or more, which runtimes refuse; put a Pad before it"));
    }
    Ok(vec![
        ("kernel_shape", ints(&window.kernel)),
        ("strides", ints(&window.stride)),
        ("pads", ints(&window.padding)),
    ])
}

pub(super) fn max_pool(e: &mut Emitter<'_>, window: &Window) -> Result<String> {
    let mut attributes = window_attributes(e, window)?;
    attributes.push(("dilations", ints(&window.dilation)));
    simple(e, "MaxPool", attributes)
}

pub(super) fn avg_pool(e: &mut Emitter<'_>, window: &Window, count_padding: bool) -> Result<String> {
    let mut attributes = window_attributes(e, window)?;
    attributes.push(("count_include_pad", Attribute::Int(i64::from(count_padding))));
    if window.dilation != [1, 1] {
        if e.opset < 19 {
            return Err(e.unsupported("is dilated, which ONNX says from opset 19 on; export with that"));
        }
        attributes.push(("dilations", ints(&window.dilation)));
    }
    simple(e, "AveragePool", attributes)
}

/// ONNX keeps height and width as 1.
pub(super) fn global_avg_pool(e: &mut Emitter<'_>) -> Result<String> {
    let kind = e.result();
    let x = e.input(0, kind)?;
    let kept = e.step("kept", "GlobalAveragePool", &[&x], vec![]);
    Ok(e.emit("Flatten", &[&kept], vec![("axis", Attribute::Int(1))]))
}

pub(super) fn resize(
    e: &mut Emitter<'_>,
    size: [usize; 2],
    (coordinates, interpolation): (Coordinates, Interpolation),
    scale: [f32; 2],
) -> Result<String> {
    let coordinates = match coordinates {
        Coordinates::HalfPixel => "half_pixel",
        Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
        Coordinates::AlignCorners => "align_corners",
        Coordinates::Asymmetric => "asymmetric",
    };
    let (mode, nearest) = match interpolation {
        Interpolation::Linear => ("linear", None),
        Interpolation::NearestPreferFloor => ("nearest", Some("round_prefer_floor")),
        Interpolation::NearestPreferCeil => ("nearest", Some("round_prefer_ceil")),
        Interpolation::NearestFloor => ("nearest", Some("floor")),
        Interpolation::NearestCeil => ("nearest", Some("ceil")),
    };
    let text = |text: &str| Attribute::String(text.to_owned());
    let mut attributes = vec![("coordinate_transformation_mode", text(coordinates)), ("mode", text(mode))];
    attributes.extend(nearest.map(|nearest| ("nearest_mode", text(nearest))));
    let kind = e.result();
    let x = e.input(0, kind)?;
    let from = [2, 3].map(|axis| e.shape(0)[axis].fixed().unwrap_or_default());
    // Scales say nothing of the batch, but their product with the size must round down to the new size, in whatever
    // precision a runtime multiplies.
    let reaches = |i: usize| {
        let (size, scale) = (from[i] as f64, f64::from(scale[i]));
        [size * scale, f64::from((size * scale) as f32)].map(|n| n.floor() as usize)
    };
    if [0, 1].iter().all(|i| reaches(*i) == [size[*i]; 2]) {
        let scales = [1.0, 1.0, scale[0], scale[1]];
        let scales = e.store(&format!("{}.scales", e.at().name), &[4], Values::F32(&scales));
        return Ok(e.emit("Resize", &[&x, "", &scales], attributes));
    }
    if [0, 1].iter().any(|i| size[*i] as f32 / from[*i] as f32 != scale[*i]) {
        return Err(e.unsupported(format!("cannot say scales {scale:?} from {from:?} to {size:?}")));
    }
    let shape = e.step("shape", "Shape", &[&x], vec![]);
    let outer = [("starts", 0), ("ends", 2)].map(|(suffix, value)| e.ints(suffix, &[value]));
    let outer = e.step("outer", "Slice", &[&shape, &outer[0], &outer[1]], vec![]);
    let inner = e.ints("inner", &size.map(|n| n as i64));
    let sizes = e.step("sizes", "Concat", &[&outer, &inner], vec![("axis", Attribute::Int(0))]);
    Ok(e.emit("Resize", &[&x, "", "", &sizes], attributes))
}
