//! Folds batch normalisation into the convolution before it.

use crate::{Graph, GraphError, Op, Tensor};

/// Folds every `BatchNorm2d` whose input is a `Conv2d` output that nothing else reads.
///
/// ```text
/// W'[o] = W[o] · γ[o] / √(σ²[o] + ε)
/// b'[o] = (b[o] − μ[o]) · γ[o] / √(σ²[o] + ε) + β[o]
/// ```
///
/// The convolution takes over the normalisation's output value, so consumers and the value's name are
/// unchanged. Source: Jacob et al. 2017 (arXiv 1712.05877), §3.2.
///
/// # Errors
/// [`GraphError::MissingParam`] when a parameter is missing.
pub fn fold_batch_norm(graph: &Graph) -> Result<Graph, GraphError> {
    let mut folded = graph.clone();
    for norm in &graph.nodes {
        let Op::BatchNorm2d { epsilon } = norm.op else { continue };
        let input = norm.inputs[0];
        let Some(position) = folded.nodes.iter().position(|n| n.output == input) else { continue };
        let only_reader = graph.consumers(input).count() == 1 && graph.output != input;
        if !matches!(folded.nodes[position].op, Op::Conv2d(_)) || !only_reader {
            continue;
        }
        let [gamma, beta, mean, variance] = graph.params_of(norm)?[..] else {
            return Err(GraphError::MissingParam {
                node: norm.name.clone(),
                param: "γ, β, μ, σ²".to_owned(),
            });
        };
        let factor: Vec<f64> = gamma
            .data()
            .iter()
            .zip(variance.data())
            .map(|(g, v)| f64::from(*g) / (f64::from(*v) + f64::from(epsilon)).sqrt())
            .collect();

        let conv = folded.nodes[position].clone();
        let weight = graph.params_of(&conv)?[0];
        let bias = graph.params_of(&conv)?.get(1).map(|b| b.data().to_vec());
        let per_channel = weight.len() / factor.len();
        let new_weight = weight
            .data()
            .chunks_exact(per_channel)
            .zip(&factor)
            .flat_map(|(w, f)| w.iter().map(move |w| (f64::from(*w) * f) as f32))
            .collect();
        let new_bias = (0..factor.len())
            .map(|o| {
                let b = bias.as_ref().map_or(0.0, |b| f64::from(b[o]));
                ((b - f64::from(mean.data()[o])) * factor[o] + f64::from(beta.data()[o])) as f32
            })
            .collect::<Vec<_>>();

        let weight_name = conv.params[0].clone();
        let bias_name = conv.params.get(1).cloned().unwrap_or_else(|| format!("{}.bias", conv.name));
        folded.params.insert(weight_name.clone(), Tensor::new(weight.shape(), new_weight)?);
        folded.params.insert(bias_name.clone(), Tensor::new([new_bias.len()], new_bias)?);
        for param in &norm.params {
            folded.params.remove(param);
        }
        let conv = &mut folded.nodes[position];
        conv.params = vec![weight_name, bias_name];
        conv.output = norm.output;
        folded.nodes.retain(|n| n.name != norm.name);
    }
    Ok(folded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, Dim, GraphBuilder};

    #[test]
    fn the_normalisation_disappears_and_the_convolution_takes_its_value() {
        let mut g = GraphBuilder::new("t", vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(4), Dim::Fixed(4)]);
        let x = g.input();
        let attributes = Conv2d::square(1, 0);
        let w = Tensor::new([2, 1, 1, 1], vec![1.0, -2.0]).unwrap();
        let c = g.add("conv", Op::Conv2d(attributes), &[x], vec![("conv.weight", w)]).unwrap();
        let vector = |a, b| Tensor::new([2], vec![a, b]).unwrap();
        let params = vec![
            ("bn.weight", vector(2.0, 3.0)),
            ("bn.bias", vector(0.5, 0.0)),
            ("bn.running_mean", vector(1.0, 0.0)),
            ("bn.running_var", vector(4.0, 9.0)),
        ];
        let n = g.add("bn", Op::BatchNorm2d { epsilon: 0.0 }, &[c], params).unwrap();
        let r = g.add("relu", Op::Relu, &[n], vec![]).unwrap();
        let folded = fold_batch_norm(&g.finish(r)).unwrap();
        folded.validate().unwrap();
        assert_eq!(folded.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["conv", "relu"]);
        assert_eq!(folded.params["conv.weight"].data(), [1.0, -2.0]);
        assert_eq!(folded.params["conv.bias"].data(), [-0.5, 0.0]);
        assert_eq!(folded.params.len(), 2);
    }
}
