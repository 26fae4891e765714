//! Graphs of one operator at a size that models have, with inputs for it.

use anyhow::Result;
use calibench_graph::passes::split_batch_norm;
use calibench_graph::{
    Binary, Conv2d, Coordinates, Dim, Element, Graph, GraphBuilder, Interpolation, Node, Op, Reduction,
    Tensor, Unary, Value, ValueId, Window, infer, per_sample,
};
use calibench_quant::{QuantError, nearest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Positions of a sequence, and features of each.
const TOKENS: [usize; 2] = [128, 384];
/// Channels, height and width of an image.
const IMAGE: [usize; 3] = [32, 28, 28];
/// Rows of a table.
const VOCABULARY: usize = 4096;

/// Numbers that an operator is given.
#[derive(Debug, Clone, Copy)]
enum Domain {
    /// [−2, 2).
    Signed,
    /// [0.5, 2): roots, logarithms, quotients, powers.
    Positive,
    /// [0.98, 1.02): products of many.
    NearOne,
    /// 0 or 1.
    Flags,
    /// Rows of the table.
    Indices,
}

impl Domain {
    fn numbers(self, random: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
        let one = |_| match self {
            Self::Signed => random.random_range(-2.0_f32..2.0),
            Self::Positive => random.random_range(0.5_f32..2.0),
            Self::NearOne => random.random_range(0.98_f32..1.02),
            Self::Flags => f32::from(random.random_range(0..2_u8)),
            Self::Indices => random.random_range(0..VOCABULARY) as f32,
        };
        (0..len).map(one).collect()
    }

    fn element(self) -> Element {
        if matches!(self, Self::Indices) { Element::Integer } else { Element::Float }
    }
}

/// One operator with what it is given.
#[derive(Debug)]
pub(super) struct Specimen {
    /// The operator, and which form of it where there are several.
    pub name: String,
    /// A graph of it, and nothing else; of the operators that it is split into, where it never runs as it is.
    pub graph: Graph,
    /// Inputs of one sample.
    pub inputs: Vec<Vec<f32>>,
}

/// An operator, the sizes of one sample of its inputs, and those of its parameters.
#[derive(Debug, Clone)]
struct Form {
    name: String,
    op: Op,
    domain: Domain,
    inputs: Vec<Vec<usize>>,
    params: Vec<Vec<usize>>,
}

/// The operators of these names; all of them where none is named.
///
/// # Errors
/// For a name that none has, with the nearest.
pub(super) fn specimens(chosen: &[String]) -> Result<Vec<Specimen>> {
    let forms = forms();
    for name in chosen {
        if !forms.iter().any(|form| is(name, &form.name)) {
            let known: Vec<&str> = forms.iter().map(|form| form.name.as_str()).collect();
            let suggestion = nearest(name, known.iter().copied()).map(str::to_owned);
            let (what, name) = ("operator that does arithmetic", name.clone());
            return Err(QuantError::Unknown { what, name, suggestion, known: known.join(", ") }.into());
        }
    }
    let wanted = |form: &Form| chosen.is_empty() || chosen.iter().any(|name| is(name, &form.name));
    forms.into_iter().filter(wanted).map(|form| form.specimen()).collect()
}

/// Whether a name is that of an operator, or of the operator that this is a form of.
fn is(name: &str, of: &str) -> bool {
    let operator = of.split('-').next().unwrap_or(of);
    name.eq_ignore_ascii_case(of) || name.eq_ignore_ascii_case(operator)
}

/// Output channels of the product behind an operator.
pub(super) const FOLLOWER: usize = 8;

/// A graph of one product with a small one behind it, which reads its result as other operations of a model do: integer results
/// are quantized for it. It only selects, so that what is wrong is the first one's.
pub(super) fn followed(graph: &Graph) -> Result<Graph> {
    let shape = &graph.value(graph.output).shape;
    let image = matches!(graph.nodes[0].op, Op::Conv2d(_));
    let width = shape[if image { 1 } else { shape.len() - 1 }].bind(1);
    let (op, sizes) = if image {
        (Op::Conv2d(Conv2d::square(1, 0)), vec![FOLLOWER, width, 1, 1])
    } else {
        (Op::Linear, vec![FOLLOWER, width])
    };
    append(graph, "next", op, selection(sizes)?)
}

/// Weights `[out, in, …]` that give some of the inputs as they are, spread over all.
fn selection(sizes: Vec<usize>) -> Result<Tensor> {
    let (outputs, inputs) = (sizes[0], sizes[1]);
    let mut data = vec![0.0; outputs * inputs];
    (0..outputs).for_each(|o| data[o * inputs + o * inputs / outputs] = 1.0);
    Ok(Tensor::new(sizes, data)?)
}

/// The graph with one more node, of one parameter, which reads its output.
fn append(graph: &Graph, name: &str, op: Op, weight: Tensor) -> Result<Graph> {
    let mut graph = graph.clone();
    let read = graph.output;
    let shape = infer(name, &op, &[&graph.value(read).shape], &[&weight])?;
    graph.output = ValueId(graph.values.len());
    graph.values.push(Value { name: name.to_owned(), shape, element: Element::Float });
    let param = format!("{name}.weight");
    graph.nodes.push(Node {
        name: name.to_owned(),
        op,
        inputs: vec![read],
        params: vec![param.clone()],
        output: graph.output,
    });
    graph.params.insert(param, weight);
    Ok(graph)
}

impl Form {
    fn new(op: Op, inputs: &[&[usize]], params: &[&[usize]]) -> Self {
        let owned = |sizes: &[&[usize]]| sizes.iter().map(|s| s.to_vec()).collect();
        Self {
            name: op.name().to_owned(),
            op,
            domain: Domain::Signed,
            inputs: owned(inputs),
            params: owned(params),
        }
    }

    fn of(self, domain: Domain) -> Self {
        Self { domain, ..self }
    }

    fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    fn specimen(&self) -> Result<Specimen> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        // The condition of a choice is no number like those that are chosen from.
        let domain = |input: usize| match (&self.op, input) {
            (Op::Where, 0) => Domain::Flags,
            _ => self.domain,
        };
        let values: Vec<Value> = (self.inputs.iter().enumerate())
            .map(|(i, sizes)| Value {
                name: format!("x{i}"),
                shape: batched(sizes),
                element: domain(i).element(),
            })
            .collect();
        let inputs: Vec<Vec<f32>> = (values.iter().enumerate())
            .map(|(i, value)| domain(i).numbers(&mut random, per_sample(&value.shape)))
            .collect();
        let ids: Vec<ValueId> = (0..values.len()).map(ValueId).collect();
        let mut builder = GraphBuilder::with_inputs("operator", values);
        let names: Vec<String> = (0..self.params.len()).map(|i| format!("{}.{i}", self.name)).collect();
        let mut params = Vec::new();
        for (index, (name, sizes)) in names.iter().zip(&self.params).enumerate() {
            // Variances are positive; weights keep sums in the range of their operands.
            let len: usize = sizes.iter().product();
            let fan_in = (len / sizes[0]).max(1) as f32;
            let variance = matches!(self.op, Op::BatchNorm2d { .. }) && index == 3;
            let mut data = if variance { Domain::Positive } else { Domain::Signed }.numbers(&mut random, len);
            if self.op.is_product() && index == 0 {
                data.iter_mut().for_each(|w| *w /= fan_in.sqrt());
            }
            params.push((name.as_str(), Tensor::new(sizes.as_slice(), data)?));
        }
        let output = builder.add(&self.name, self.op.clone(), &ids, params)?;
        // A batch normalisation that no convolution takes in runs as a product and a sum.
        let graph = split_batch_norm(&builder.finish(output))?;
        Ok(Specimen { name: self.name.clone(), graph, inputs })
    }
}

/// `[N, …]`.
pub(super) fn batched(sizes: &[usize]) -> Vec<Dim> {
    [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect()
}

/// Every operator that does arithmetic, in the order of [`Op`].
fn forms() -> Vec<Form> {
    let [t, d] = TOKENS;
    let [c, h, w] = IMAGE;
    let mut forms = vec![
        Form::new(Op::Linear, &[&TOKENS], &[&[d, d], &[d]]),
        Form::new(Op::Conv2d(Conv2d::square(1, 1)), &[&IMAGE], &[&[c, c, 3, 3], &[c]]),
        Form::new(
            Op::Conv2d(Conv2d { groups: c, ..Conv2d::square(1, 1) }),
            &[&IMAGE],
            &[&[c, 1, 3, 3], &[c]],
        )
        .named("Conv2d-depthwise"),
        Form::new(Op::MatMul { transpose_rhs: true }, &[&[t, d], &[t, d]], &[]),
        Form::new(Op::BatchNorm2d { epsilon: 1e-5 }, &[&IMAGE], &[&[c], &[c], &[c], &[c]]),
        Form::new(Op::LayerNorm { epsilon: 1e-5 }, &[&TOKENS], &[&[d], &[d]]),
        Form::new(Op::Softmax, &[&[t, t]], &[]),
        Form::new(Op::LogSoftmax, &[&[t, t]], &[]),
        Form::new(Op::Relu, &[&TOKENS], &[]),
        Form::new(Op::Gelu, &[&TOKENS], &[]),
        Form::new(Op::Add, &[&TOKENS, &TOKENS], &[]),
        Form::new(Op::AddParam, &[&TOKENS], &[&TOKENS]),
        Form::new(Op::Scale { factor: 0.176_776_7 }, &[&TOKENS], &[]),
        Form::new(Op::MaxPool2d(Window::square(2, 2)), &[&IMAGE], &[]),
        Form::new(Op::AvgPool2d { window: Window::square(2, 2), count_padding: false }, &[&IMAGE], &[]),
        Form::new(Op::GlobalAvgPool, &[&IMAGE], &[]),
        Form::new(Op::MeanTokens, &[&TOKENS], &[]),
        Form::new(Op::Embedding, &[&[t]], &[&[VOCABULARY, d]]).of(Domain::Indices),
        Form::new(Op::Where, &[&TOKENS, &TOKENS, &TOKENS], &[]),
        Form::new(
            Op::Resize2d {
                size: [2 * h, 2 * w],
                coordinates: Coordinates::HalfPixel,
                interpolation: Interpolation::Linear,
                scale: [2.0, 2.0],
            },
            &[&IMAGE],
            &[],
        ),
    ];
    let unaries = [
        Unary::Neg,
        Unary::Abs,
        Unary::Sqrt,
        Unary::Exp,
        Unary::Log,
        Unary::Reciprocal,
        Unary::Erf,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Unary::HardSwish,
        Unary::LeakyRelu { alpha: 0.01 },
        Unary::Clip { low: -1.0, high: 1.0 },
        Unary::GeluTanh,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Sin,
        Unary::Cos,
        Unary::Not,
    ];
    forms.extend(unaries.map(|unary| {
        let domain = match unary {
            Unary::Sqrt | Unary::Log | Unary::Reciprocal => Domain::Positive,
            Unary::Not => Domain::Flags,
            _ => Domain::Signed,
        };
        Form::new(Op::Unary(unary), &[&TOKENS], &[]).of(domain)
    }));
    let binaries = [
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Pow,
        Binary::Min,
        Binary::Max,
        Binary::Equal,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Less,
        Binary::LessOrEqual,
        Binary::And,
        Binary::Or,
    ];
    forms.extend(binaries.map(|binary| {
        let domain = match binary {
            Binary::Div | Binary::Pow => Domain::Positive,
            Binary::And | Binary::Or => Domain::Flags,
            _ => Domain::Signed,
        };
        Form::new(Op::Binary(binary), &[&TOKENS, &TOKENS], &[]).of(domain)
    }));
    let reductions =
        [Reduction::Mean, Reduction::Sum, Reduction::L2, Reduction::Max, Reduction::Min, Reduction::Prod];
    forms.extend(reductions.map(|reduction| {
        let domain = if reduction == Reduction::Prod { Domain::NearOne } else { Domain::Signed };
        Form::new(Op::Reduce { reduction, axes: vec![2], keep: true }, &[&TOKENS], &[]).of(domain)
    }));
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use calibench_graph::computes;

    /// Fails to compile when an operator is added, so that it gets a specimen or a reason for having none.
    fn has_arithmetic(op: &Op) -> bool {
        match op {
            Op::Linear
            | Op::Conv2d(_)
            | Op::BatchNorm2d { .. }
            | Op::LayerNorm { .. }
            | Op::Relu
            | Op::Gelu
            | Op::Add
            | Op::AddParam
            | Op::Scale { .. }
            | Op::MatMul { .. }
            | Op::Softmax
            | Op::LogSoftmax
            | Op::MaxPool2d(_)
            | Op::AvgPool2d { .. }
            | Op::GlobalAvgPool
            | Op::MeanTokens
            | Op::Embedding
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Where
            | Op::Reduce { .. }
            | Op::Resize2d { .. } => true,
            // They only move elements; a cast is to or from integers.
            Op::Reshape { .. }
            | Op::Permute { .. }
            | Op::Constant { .. }
            | Op::Cast { .. }
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Gather { .. }
            | Op::GatherNd { .. }
            | Op::ScatterNd
            | Op::Expand { .. } => false,
        }
    }

    #[test]
    fn every_specimen_is_a_valid_graph_of_one_operator() {
        let all = specimens(&[]).unwrap();
        assert_eq!(all.len(), forms().len());
        for specimen in all {
            specimen.graph.validate().unwrap();
            let computing = specimen.graph.nodes.iter().filter(|node| computes(node));
            let parts = if specimen.name == "BatchNorm2d" { 2 } else { 1 };
            assert_eq!(computing.filter(|node| has_arithmetic(&node.op)).count(), parts, "{}", specimen.name);
        }
    }

    #[test]
    fn an_operator_stands_for_its_forms_and_a_slip_names_the_nearest() {
        let found: Vec<String> =
            specimens(&["conv2d".to_owned()]).unwrap().into_iter().map(|s| s.name).collect();
        assert_eq!(found, ["Conv2d", "Conv2d-depthwise"]);
        let error = specimens(&["Layernom".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("did you mean `LayerNorm`?"), "{error}");
    }
}
