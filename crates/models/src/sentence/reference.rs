//! The model by definition, in f64, for tests: one sentence, its own tokens alone, so without any mask.

use std::collections::BTreeMap;

use calibench_tasks::tensors::Tensor;

/// Sizes as in `config.json`.
pub(super) struct Sizes {
    pub width: usize,
    pub heads: usize,
    pub inner: usize,
    pub layers: usize,
    pub vocabulary: usize,
    pub positions: usize,
    pub epsilon: f64,
}

type Rows = Vec<Vec<f64>>;

/// The vector of a sentence.
pub(super) fn forward(tensors: &BTreeMap<String, Tensor>, sizes: &Sizes, ids: &[usize]) -> Vec<f64> {
    let model = Model { tensors, sizes };
    let sum = |(position, id): (usize, &usize)| -> Vec<f64> {
        let row = |table: &str, row: usize| model.row(&format!("embeddings.{table}_embeddings.weight"), row);
        let rows = [row("word", *id), row("position", position), row("token_type", 0)];
        (0..sizes.width).map(|i| rows.iter().map(|r| r[i]).sum()).collect()
    };
    let mut x: Rows = ids.iter().enumerate().map(sum).collect();
    x = model.norm("embeddings.LayerNorm", &x);
    for layer in 0..sizes.layers {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let context = model.attention(&name("attention.self"), &x);
        let y = model.linear(&name("attention.output.dense"), &context);
        x = model.norm(&name("attention.output.LayerNorm"), &add(&x, &y));
        let hidden = model.linear(&name("intermediate.dense"), &x);
        let hidden: Rows = hidden.iter().map(|r| r.iter().map(|v| gelu(*v)).collect()).collect();
        let y = model.linear(&name("output.dense"), &hidden);
        x = model.norm(&name("output.LayerNorm"), &add(&x, &y));
    }
    let mean: Vec<f64> =
        (0..sizes.width).map(|i| x.iter().map(|r| r[i]).sum::<f64>() / x.len() as f64).collect();
    let length = mean.iter().map(|v| v * v).sum::<f64>().sqrt();
    mean.iter().map(|v| v / length).collect()
}

struct Model<'t> {
    tensors: &'t BTreeMap<String, Tensor>,
    sizes: &'t Sizes,
}

impl Model<'_> {
    fn row(&self, tensor: &str, row: usize) -> Vec<f64> {
        let tensor = &self.tensors[tensor];
        let width = tensor.shape[1..].iter().product::<usize>();
        tensor.values[row * width..(row + 1) * width].iter().map(|v| f64::from(*v)).collect()
    }

    fn vector(&self, tensor: &str) -> Vec<f64> {
        self.tensors[tensor].values.iter().map(|v| f64::from(*v)).collect()
    }

    fn linear(&self, name: &str, x: &Rows) -> Rows {
        let (weight, bias) = (format!("{name}.weight"), self.vector(&format!("{name}.bias")));
        let out = |x: &Vec<f64>| {
            let dot = |(o, b): (usize, &f64)| {
                b + self.row(&weight, o).iter().zip(x).map(|(w, x)| w * x).sum::<f64>()
            };
            bias.iter().enumerate().map(dot).collect()
        };
        x.iter().map(out).collect()
    }

    fn norm(&self, name: &str, x: &Rows) -> Rows {
        let (gamma, beta) = (self.vector(&format!("{name}.weight")), self.vector(&format!("{name}.bias")));
        let normalised = |x: &Vec<f64>| {
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
            let deviation = (variance + self.sizes.epsilon).sqrt();
            x.iter().zip(gamma.iter().zip(&beta)).map(|(v, (g, b))| (v - mean) / deviation * g + b).collect()
        };
        x.iter().map(normalised).collect()
    }

    fn attention(&self, name: &str, x: &Rows) -> Rows {
        let [q, k, v] = ["query", "key", "value"].map(|part| self.linear(&format!("{name}.{part}"), x));
        let size = self.sizes.width / self.sizes.heads;
        let mut context = vec![vec![0.0; self.sizes.width]; x.len()];
        for head in 0..self.sizes.heads {
            let of = head * size..(head + 1) * size;
            for (q, context) in q.iter().zip(&mut context) {
                let score =
                    |k: &Vec<f64>| of.clone().map(|i| q[i] * k[i]).sum::<f64>() / (size as f64).sqrt();
                let shares: Vec<f64> = k.iter().map(|k| score(k).exp()).collect();
                let total: f64 = shares.iter().sum();
                for i in of.clone() {
                    context[i] = shares.iter().zip(&v).map(|(share, v)| share / total * v[i]).sum();
                }
            }
        }
        context
    }
}

fn add(x: &Rows, y: &Rows) -> Rows {
    x.iter().zip(y).map(|(x, y)| x.iter().zip(y).map(|(a, b)| a + b).collect()).collect()
}

/// With the error function as its power series, which is exact enough for |x| below 5.
fn gelu(x: f64) -> f64 {
    let z = x * std::f64::consts::FRAC_1_SQRT_2;
    assert!(z.abs() < 5.0, "the series of the reference does not reach {x}");
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -z * z / n;
        sum += term / (2.0 * n + 1.0);
    }
    0.5 * x * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
}
