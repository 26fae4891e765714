//! Moving windows: their padding, and pooling.

use calibench_graph::{Dim, Op, Reduction, Window};

use super::super::converter::{Converter, Operand, Result};
use super::products::{pair, sides, squared, unsquared};

/// Positions added before and after each spatial axis.
pub(super) struct Padding {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

/// The padding that `pads` or `auto_pad` mean; with `ceil`, more at the end, so that the last window is whole.
pub(super) fn padding(
    c: &Converter<'_>,
    sizes: &[usize],
    kernel: &[usize],
    stride: &[usize],
    dilation: &[usize],
    ceil: bool,
) -> Result<Padding> {
    let n = sizes.len();
    let degenerate = |v: &[usize]| v.len() != n || v.contains(&0);
    if degenerate(kernel) || degenerate(stride) || degenerate(dilation) || degenerate(sizes) {
        return Err(c.unsupported("has a kernel, stride, dilation or input without extent"));
    }
    let reach = |i: usize| dilation[i].saturating_mul(kernel[i] - 1).saturating_add(1);
    let auto = c.text("auto_pad", "NOTSET")?;
    let (before, mut after) = match auto {
        "NOTSET" => {
            let pads = c.sizes("pads", &vec![0; 2 * n])?;
            (pads[..n].to_vec(), pads[n..].to_vec())
        }
        "VALID" => (vec![0; n], vec![0; n]),
        "SAME_UPPER" | "SAME_LOWER" => {
            let total = |i: usize| {
                let positions = sizes[i].div_ceil(stride[i]);
                (positions - 1).saturating_mul(stride[i]).saturating_add(reach(i)).saturating_sub(sizes[i])
            };
            let less: Vec<usize> = (0..n).map(|i| total(i) / 2).collect();
            let more: Vec<usize> = (0..n).map(|i| total(i) - total(i) / 2).collect();
            if auto == "SAME_UPPER" { (less, more) } else { (more, less) }
        }
        other => return Err(c.unsupported(format!("has an unknown auto_pad `{other}`"))),
    };
    for i in 0..n {
        let padded = sizes[i].saturating_add(before[i]).saturating_add(after[i]);
        if padded < reach(i) {
            return Err(c.unsupported(format!("has a window of {} over {padded} positions", reach(i))));
        }
        if ceil {
            let mut positions = (padded - reach(i)).div_ceil(stride[i]) + 1;
            // A window that would begin in the padding at the end is left out.
            if (positions - 1).saturating_mul(stride[i]) >= sizes[i] + before[i] {
                positions -= 1;
            }
            let end = (positions - 1).saturating_mul(stride[i]).saturating_add(reach(i));
            after[i] = end.saturating_sub(sizes[i] + before[i]);
        }
        // Beyond one window nothing but padding would be seen.
        let most = reach(i).saturating_mul(stride[i]);
        if before[i] > most || after[i] > most.saturating_add(stride[i]) {
            return Err(c.unsupported(format!("pads {} and {} around {}", before[i], after[i], sizes[i])));
        }
    }
    Ok(Padding { before, after })
}

pub(super) fn pool<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    if !matches!(shape.len(), 3 | 4) {
        return Err(c.unsupported(format!("takes [N, C, L] or [N, C, H, W], got {shape:?}")));
    }
    let spatial = shape.len() - 2;
    let ones = vec![1; spatial];
    let kernel = c.sizes("kernel_shape", &ones)?;
    let stride = c.sizes("strides", &ones)?;
    let dilation = c.sizes("dilations", &ones)?;
    let ceil = c.int("ceil_mode", 0)? != 0;
    let whole = padding(c, &shape[2..], &kernel, &stride, &dilation, false)?;
    let Padding { before, after } = padding(c, &shape[2..], &kernel, &stride, &dilation, ceil)?;
    let count_padding = c.int("count_include_pad", 0)? != 0;
    if count_padding && after.iter().zip(&whole.after).any(|(ceil, whole)| ceil > whole) {
        return Err(
            c.unsupported("counts the padding of a window that ceil_mode added, on which runtimes differ")
        );
    }
    let window = Window {
        kernel: pair(&kernel, 1),
        stride: pair(&stride, 1),
        padding: sides(&before, &after),
        dilation: pair(&dilation, 1),
    };
    let x = squared(c, x)?;
    let op = match c.node.op.as_str() {
        "MaxPool" => Op::MaxPool2d(window),
        _ => Op::AvgPool2d { window, count_padding },
    };
    let y = c.emit(op, &[x])?;
    unsquared(c, y, spatial)
}

pub(super) fn global<'m>(c: &mut Converter<'m>) -> Result<Operand<'m>> {
    let x = c.input(0)?;
    let shape = c.shape(&x);
    if shape.len() < 3 {
        return Err(c.unsupported(format!("takes [N, C, …], got {shape:?}")));
    }
    if shape.len() == 4 && c.node.op == "GlobalAveragePool" {
        let y = c.emit(Op::GlobalAvgPool, &[x])?;
        let kept = [shape[0], shape[1], 1, 1].map(Dim::Fixed).to_vec();
        return c.step("kept", Op::Reshape { shape: kept }, &[y]);
    }
    let reduction = if c.node.op == "GlobalMaxPool" { Reduction::Max } else { Reduction::Mean };
    c.emit(Op::Reduce { reduction, axes: (2..shape.len()).collect(), keep: true }, &[x])
}
