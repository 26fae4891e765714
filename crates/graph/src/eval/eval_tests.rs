use super::*;
use crate::{Binary, Coordinates, Element, Interpolation, PadMode, Reduction, Unary, Window};

#[track_caller]
fn run<T: Number>(op: &Op, inputs: &[(&[usize], &[T])], shape: &[usize]) -> Vec<T> {
    let views: Vec<View<'_, T>> = inputs.iter().map(|(shape, data)| View { shape, data }).collect();
    let mut out = vec![T::ZERO; shape.iter().product()];
    eval("t", op, &views, shape, &mut out).unwrap();
    out
}

#[test]
fn pairs_broadcast_along_every_axis() {
    let column: (&[usize], &[f32]) = (&[2, 1], &[10., 20.]);
    let row: (&[usize], &[f32]) = (&[3], &[1., 2., 3.]);
    assert_eq!(run(&Op::Add, &[column, row], &[2, 3]), [11., 12., 13., 21., 22., 23.]);
    assert_eq!(run(&Op::Binary(Binary::Sub), &[row, column], &[2, 3]), [-9., -8., -7., -19., -18., -17.]);
    assert_eq!(run(&Op::Binary(Binary::Mul), &[(&[], &[2.0_f32]), row], &[3]), [2., 4., 6.]);
    let three: (&[usize], &[f32]) = (&[2, 1, 2], &[1., 2., 3., 4.]);
    let middle: (&[usize], &[f32]) = (&[2, 1], &[10., 20.]);
    assert_eq!(run(&Op::Add, &[three, middle], &[2, 2, 2]), [11., 12., 21., 22., 13., 14., 23., 24.]);
}

#[test]
fn integers_divide_towards_zero_and_keep_64_bits() {
    let op = Op::Binary(Binary::Div);
    assert_eq!(run(&op, &[(&[2], &[-7_i64, 7]), (&[], &[2])], &[2]), [-3, 3]);
    let big = i64::MAX;
    assert_eq!(run(&Op::Binary(Binary::Min), &[(&[1], &[big]), (&[1], &[5])], &[1]), [5]);
}

#[test]
fn where_chooses_by_truth_and_comparisons_give_zero_or_one() {
    let op = Op::Binary(Binary::GreaterOrEqual);
    let truth = run(&op, &[(&[3], &[1.0_f32, 2.0, f32::NAN]), (&[], &[2.0])], &[3]);
    assert_eq!(truth, [0., 1., 0.]);
    let chosen = run(&Op::Where, &[(&[3], &truth), (&[], &[9.0]), (&[3], &[1., 2., 3.])], &[3]);
    assert_eq!(chosen, [1., 9., 3.]);
}

#[test]
fn slices_go_backwards_and_gathers_count_from_the_end() {
    let x: (&[usize], &[f32]) = (&[2, 3], &[0., 1., 2., 3., 4., 5.]);
    let op = Op::Slice { axis: 1, start: 2, step: -2, len: 2 };
    assert_eq!(run(&op, &[x], &[2, 2]), [2., 0., 5., 3.]);
    assert_eq!(run(&Op::Gather { axis: 1 }, &[x, (&[2], &[-1., 0.])], &[2, 2]), [2., 0., 5., 3.]);
    let views = [View { shape: &[2, 3], data: x.1 }, View { shape: &[1], data: &[3.0] }];
    let error = eval("g", &Op::Gather { axis: 1 }, &views, &[2, 1], &mut [0.0; 2]).unwrap_err();
    assert!(error.to_string().contains("`g` (Gather): index 3 is outside of an axis of 3"), "{error}");
}

#[test]
fn index_tuples_pick_and_replace_slices() {
    let x: (&[usize], &[f32]) = (&[2, 2], &[0., 1., 2., 3.]);
    let op = Op::GatherNd { batch_dims: 0 };
    assert_eq!(run(&op, &[x, (&[2, 2], &[0., 0., 1., 1.])], &[2]), [0., 3.]);
    assert_eq!(run(&Op::GatherNd { batch_dims: 1 }, &[x, (&[2, 1], &[1., 0.])], &[2]), [1., 2.]);
    let updated = run(&Op::ScatterNd, &[x, (&[1, 1], &[1.]), (&[1, 2], &[8., 9.])], &[2, 2]);
    assert_eq!(updated, [0., 1., 8., 9.]);
}

#[test]
fn pads_hold_a_value_the_edge_or_the_mirror() {
    let x: (&[usize], &[f32]) = (&[3], &[1., 2., 3.]);
    let pad = |mode| run(&Op::Pad { pads: vec![[2, 1]], mode }, &[x], &[6]);
    assert_eq!(pad(PadMode::Constant(7.0)), [7., 7., 1., 2., 3., 7.]);
    let x2: (&[usize], &[f32]) = (&[2, 2], &[1., 2., 3., 4.]);
    let around = Op::Pad { pads: vec![[1, 0], [0, 1]], mode: PadMode::Constant(9.0) };
    assert_eq!(run(&around, &[x2], &[3, 3]), [9., 9., 9., 1., 2., 9., 3., 4., 9.]);
    assert_eq!(pad(PadMode::Edge), [1., 1., 1., 2., 3., 3.]);
    assert_eq!(pad(PadMode::Reflect), [3., 2., 1., 2., 3., 2.]);
}

#[test]
fn reductions_take_any_axes() {
    let x: (&[usize], &[f32]) = (&[2, 2, 2], &[1., 2., 3., 4., 5., 6., 7., 8.]);
    let reduce = |reduction, axes: &[usize], shape: &[usize]| {
        run(&Op::Reduce { reduction, axes: axes.to_vec(), keep: false }, &[x], shape)
    };
    assert_eq!(reduce(Reduction::Sum, &[1], &[2, 2]), [4., 6., 12., 14.]);
    assert_eq!(reduce(Reduction::Mean, &[0, 2], &[2]), [3.5, 5.5]);
    assert_eq!(reduce(Reduction::Max, &[0, 1, 2], &[]), [8.]);
    assert!((reduce(Reduction::L2, &[2], &[2, 2])[0] - 5.0_f32.sqrt()).abs() < 1e-6);
}

#[test]
fn average_pooling_counts_padding_only_when_asked() {
    let x: (&[usize], &[f32]) = (&[1, 1, 2, 2], &[1., 2., 3., 4.]);
    let window = Window { kernel: [2; 2], stride: [2; 2], padding: [1; 4], dilation: [1; 2] };
    let pool = |count_padding| run(&Op::AvgPool2d { window, count_padding }, &[x], &[1, 1, 2, 2]);
    assert_eq!(pool(false), [1., 2., 3., 4.]);
    assert_eq!(pool(true), [0.25, 0.5, 0.75, 1.]);
}

#[test]
fn resizing_repeats_and_interpolates() {
    let x: (&[usize], &[f32]) = (&[1, 1, 1, 2], &[0., 4.]);
    let resize = |coordinates, interpolation| {
        let op = Op::Resize2d { size: [1, 4], coordinates, interpolation, scale: [1.0, 2.0] };
        run(&op, &[x], &[1, 1, 1, 4])
    };
    assert_eq!(resize(Coordinates::Asymmetric, Interpolation::NearestFloor), [0., 0., 4., 4.]);
    assert_eq!(resize(Coordinates::HalfPixel, Interpolation::Linear), [0., 1., 3., 4.]);
    assert_eq!(resize(Coordinates::AlignCorners, Interpolation::Linear)[1], 4.0 / 3.0);
}

#[test]
fn functions_of_one_number_have_known_values() {
    let of = |op, x: f32| run(&Op::Unary(op), &[(&[], &[x])], &[])[0];
    assert_eq!(of(Unary::HardSwish, 1.5), 1.125);
    assert_eq!(of(Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }, 9.0), 1.0);
    assert_eq!(of(Unary::Clip { low: 0.0, high: 6.0 }, 7.0), 6.0);
    assert!(of(Unary::Clip { low: 0.0, high: 6.0 }, f32::NAN).is_nan());
    assert!((of(Unary::Erf, 0.5) - 0.520_499_9).abs() < 1e-6);
    assert!((of(Unary::GeluTanh, 1.0) - 0.841_192).abs() < 1e-5);
    assert_eq!(run(&Op::Cast { to: Element::Integer }, &[(&[2], &[1.7_f32, -1.7])], &[2]), [1., -1.]);
}

#[test]
fn log_softmax_survives_large_inputs() {
    let out = run(&Op::LogSoftmax, &[(&[1, 2], &[1000.0_f32, 0.0])], &[1, 2]);
    assert_eq!(out, [0., -1000.]);
}

#[test]
fn gelu_known_values() {
    assert_eq!(0.0_f32.gelu(), 0.0);
    assert!((1.0_f32.gelu() - 0.841_344_7).abs() < 1e-6);
    assert!(((-1.0_f32).gelu() + 0.158_655_3).abs() < 1e-6);
}
