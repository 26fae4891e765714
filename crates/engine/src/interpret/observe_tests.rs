use calibench_graph::{Dim, Element, Graph, GraphBuilder, Op, Tensor as Weights, Value, placement};
use calibench_quant::StatKind;

use super::super::Interpreter;
use super::*;

const HEADS: usize = 2;

/// Attention whose every number is a small whole one, or a softmax over unequal ones: exact however it is summed.
fn attention(positions: usize) -> Graph {
    let fixed = |sizes: &[usize]| {
        [&[Dim::Batch], &sizes.iter().map(|n| Dim::Fixed(*n)).collect::<Vec<_>>()[..]].concat()
    };
    let x = Value { name: "x".to_owned(), shape: fixed(&[positions, 4]), element: Element::Float };
    let mask = Value { name: "mask".to_owned(), shape: fixed(&[positions]), element: Element::Integer };
    let mut g = GraphBuilder::with_inputs("attention", vec![x, mask]);
    g.set_mask(ValueId(1));
    let weight = Weights::new([4, 4], (0..16).map(|i| (i % 5) as f32 - 2.0).collect()).unwrap();
    let y = g.add("linear", Op::Linear, &[ValueId(0)], vec![("w", weight)]).unwrap();
    let y = g.add("split", Op::Reshape { shape: fixed(&[positions, HEADS, 2]) }, &[y], vec![]).unwrap();
    let y = g.add("heads", Op::Permute { axes: vec![0, 2, 1, 3] }, &[y], vec![]).unwrap();
    let scores = g.add("scores", Op::MatMul { transpose_rhs: true }, &[y, y], vec![]).unwrap();
    let z = g.add("context", Op::MatMul { transpose_rhs: false }, &[scores, y], vec![]).unwrap();
    g.finish(z)
}

fn statistics(graph: &Graph, batches: &[(usize, Vec<f32>, Vec<f32>)]) -> BTreeMap<String, Stats> {
    let kinds = [StatKind::Range, StatKind::Histogram];
    let mut tap = ObserveTap::new(&placement(graph), || calibench_observers::for_stats(kinds));
    let interpreter = Interpreter::new(graph).unwrap();
    for (index, (batch, x, mask)) in batches.iter().enumerate() {
        tap.begin_batch(index as u64, *batch as u64);
        interpreter.run_slice(*batch, &[x, mask], &mut tap).unwrap();
    }
    // How samples are split into batches is left out.
    let whole = |stats| Stats { batch_ranges: None, ..stats };
    let named = |(id, stats): (ValueId, Stats)| (graph.value(id).name.clone(), whole(stats));
    tap.finish().unwrap().into_iter().map(named).collect()
}

#[test]
fn a_padded_batch_gives_the_statistics_of_its_samples_alone() {
    let sample = |positions: usize, seed: usize| -> Vec<f32> {
        (0..positions * 4).map(|i| ((i * 7 + seed * 5) % 9) as f32 - 4.0).collect()
    };
    // Two samples of 3 and 2 positions, one by one and padded to 5 with large values.
    let (a, b) = (sample(3, 1), sample(2, 2));
    let mut alone = statistics(&attention(3), &[(1, a.clone(), vec![1.0; 3])]);
    for (site, stats) in statistics(&attention(2), &[(1, b.clone(), vec![1.0; 2])]) {
        alone.get_mut(&site).unwrap().absorb(&stats).unwrap();
    }
    let padded = [&a[..], &[900.0; 8], &b, &[-900.0; 12]].concat();
    let mask = [[1.0, 1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0]].concat();
    let together = statistics(&attention(5), &[(2, padded.clone(), mask)]);
    assert_eq!(together.keys().collect::<Vec<_>>(), ["heads", "scores", "x"]);
    assert_eq!(together, alone);

    // Without zeros in the mask everything counts.
    let all = statistics(&attention(5), &[(2, padded, vec![1.0; 10])]);
    assert_ne!(all, alone);
}

#[test]
fn a_batch_joined_with_the_heads_is_told_apart_by_the_mask_of_its_sample() {
    // [2 samples · 2 heads, 2 positions, 1], and the first sample's second position is padding.
    let values: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let kept = |dims: &[usize], axes: &[usize]| {
        let mut values = values.clone();
        let ends = leave_padding_out(&mut values, dims, axes, &[1.0, 0.0, 1.0, 1.0]);
        (values, ends)
    };
    assert_eq!(kept(&[4, 2, 1], &[1]), (vec![0.0, 2.0, 4.0, 5.0, 6.0, 7.0], vec![2, 6]));
    // Scores [2, 1, 2, 2]: a padded query takes its row, a padded key its column.
    assert_eq!(kept(&[2, 1, 2, 2], &[2, 3]), (vec![0.0, 4.0, 5.0, 6.0, 7.0], vec![1, 5]));
}
