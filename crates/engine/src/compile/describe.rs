//! A plan in words.

use calibench_kernels::Activation;

use super::matmul::MatMul;
use super::pool::{Pool, Pooling};
use super::product::{Geometry, Product, Weights};
use super::rows::Target;
use super::step::{Ranges, Step};
use super::storage::{Kind, Slot};
use super::{Executable, Work};

/// One line of a plan: what runs, on what types and sizes, and how much work it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    /// The node, or the site of a conversion.
    pub name: String,
    /// What is done, for example `Conv2d+Relu` or `Quantize`.
    pub op: String,
    /// Types of inputs and output, for example `s8 x s8 -> s32 -> s8`.
    pub kernel: String,
    /// Sizes with the batch: rows x inputs x outputs of products, elements of all else.
    pub shape: String,
    /// Whether nothing is computed: numbers change their type or their place.
    pub conversion: bool,
    /// What the step does in a call.
    pub work: Work,
}

impl Executable {
    /// The plan of a call with `batch` samples, step by step.
    #[must_use]
    pub fn plan(&self, batch: usize) -> Vec<PlanLine> {
        self.steps.iter().map(|planned| planned.step.describe(batch)).collect()
    }
}

impl Step {
    fn describe(&self, batch: usize) -> PlanLine {
        let (op, kernel) = self.op_and_kernel();
        PlanLine {
            name: self.name().to_owned(),
            op,
            kernel,
            shape: self.shape(batch),
            conversion: matches!(
                self,
                Self::Quantize { .. } | Self::Dequantize { .. } | Self::Round { .. } | Self::Permute { .. }
            ),
            work: self.work(batch),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Quantize { site: name, .. }
            | Self::Dequantize { site: name, .. }
            | Self::Round { name, .. }
            | Self::Activate { name, .. }
            | Self::Scale { name, .. }
            | Self::Add { name, .. }
            | Self::AddParam { name, .. }
            | Self::LayerNorm { name, .. }
            | Self::Softmax { name, .. }
            | Self::MeanRows { name, .. }
            | Self::Permute { name, .. } => name,
            Self::Product(product) => &product.name,
            Self::MatMul(matmul) => &matmul.name,
            Self::General(general) => &general.name,
            Self::Lookup(lookup) => &lookup.name,
            Self::Pool(pool) => &pool.name,
        }
    }

    fn op_and_kernel(&self) -> (String, String) {
        let f32 = |op: &str| (op.to_owned(), "f32".to_owned());
        match self {
            Self::Quantize { ranges, to, .. } => {
                let when = match ranges {
                    Ranges::Static(_) => "frozen range",
                    Ranges::Dynamic { .. } => "range found here",
                };
                ("Quantize".to_owned(), format!("f32 -> {} ({when})", type_of(to)))
            }
            Self::Dequantize { from, .. } => ("Dequantize".to_owned(), format!("{} -> f32", type_of(from))),
            Self::Product(product) => product.op_and_kernel(),
            Self::MatMul(matmul) => matmul.op_and_kernel(),
            Self::General(general) => f32(general.op.name()),
            Self::Lookup(lookup) => {
                ("Embedding".to_owned(), format!("{} table -> f32", lookup.table.element().0))
            }
            Self::Activate { activation, to, .. } => (activation_name(*activation).to_owned(), from_f32(to)),
            Self::Round { .. } => f32("Round"),
            Self::Scale { .. } => f32("Scale"),
            Self::Add { .. } => f32("Add"),
            Self::AddParam { .. } => f32("AddParam"),
            Self::LayerNorm { to, .. } => ("LayerNorm".to_owned(), from_f32(to)),
            Self::Softmax { to, .. } => ("Softmax".to_owned(), from_f32(to)),
            Self::Pool(pool) => f32(match pool.pooling {
                Pooling::Max => "MaxPool2d",
                Pooling::Mean { .. } => "AvgPool2d",
            }),
            Self::MeanRows { .. } => f32("Mean"),
            Self::Permute { to, .. } => ("Permute".to_owned(), format!("{} copy", type_of(to))),
        }
    }

    fn shape(&self, batch: usize) -> String {
        let elements = |n: usize| format!("{}", batch * n);
        match self {
            Self::Quantize { len, .. }
            | Self::Dequantize { len, .. }
            | Self::Round { len, .. }
            | Self::Activate { len, .. }
            | Self::Scale { len, .. }
            | Self::Add { len, .. } => elements(*len),
            Self::AddParam { param, .. } => elements(param.len()),
            Self::LayerNorm { gamma, len, .. } => format!("{}x{}", batch * len / gamma.len(), gamma.len()),
            Self::Softmax { width, len, .. } => format!("{}x{width}", batch * len / width),
            Self::Pool(pool) => {
                let Pool { dims: [h, w, c], out, .. } = &**pool;
                format!("{batch}x{h}x{w}x{c} -> {}x{}", out[0], out[1])
            }
            Self::MeanRows { rows, width, .. } => format!("{batch}x{rows}x{width}"),
            Self::Permute { dims, .. } => {
                dims.iter().fold(format!("{batch}"), |text, dim| format!("{text}x{dim}"))
            }
            Self::Product(p) => {
                let rows = batch * p.geometry.rows_per_sample();
                let groups = p.geometry.groups();
                let one = format!("{rows}x{}x{}", p.geometry.k(), p.out_channels / groups);
                if groups == 1 { one } else { format!("{groups} of {one}") }
            }
            Self::MatMul(m) => format!("{} of {}x{}x{}", batch * m.heads, m.m, m.k, m.n),
            Self::Lookup(lookup) => format!("{}x{}", batch * lookup.len, lookup.width),
            Self::General(general) => format!("{}", general.elements(batch)),
        }
    }
}

impl Product {
    fn op_and_kernel(&self) -> (String, String) {
        let mut op = match self.geometry {
            Geometry::Rows { .. } => "Linear",
            Geometry::Conv(_) => "Conv2d",
        }
        .to_owned();
        if self.residual.is_some() {
            op.push_str("+Add");
        }
        if self.activation != Activation::None {
            op.push('+');
            op.push_str(activation_name(self.activation));
        }
        if matches!(self.weights, Weights::DepthwiseFloat(_) | Weights::DepthwiseInt { .. }) {
            op.insert_str(0, "Depthwise");
        }
        let (weights, sum) = match (&self.weights, self.input.slot.kind) {
            (Weights::DepthwiseFloat(_), _) => ("f32", "f32"),
            (Weights::DepthwiseInt { .. }, _) => ("s8", "s32"),
            (Weights::Float(packed), _) => (packed.first().map_or("f32", |p| p.held_as()), "f32"),
            (Weights::Int { .. }, Kind::I16) => ("s8", "s64"),
            (Weights::Int { .. }, _) => ("s8", "s32"),
        };
        let (from, to) = (type_of(&self.input.slot), type_of(&self.to.slot));
        let sum = if sum == to { String::new() } else { format!("{sum} -> ") };
        (op, format!("{from} x {weights} -> {sum}{to}"))
    }
}

impl MatMul {
    fn op_and_kernel(&self) -> (String, String) {
        let to = type_of(&self.to.slot);
        let kernel = match self.lhs.slot.kind {
            Kind::I8 if self.multiplies_codes() => format!("s8 x s8 -> s32 -> {to}"),
            Kind::I8 => format!("s8 codes widened, f32 x f32 -> {to}"),
            Kind::I16 => format!("s16 codes widened, f32 x f32 -> {to}"),
            Kind::F32 => format!("f32 x f32 -> {to}"),
        };
        let [add, softmax] = [(self.mask.is_some(), "+Add"), (self.softmax, "+Softmax")]
            .map(|(is, name)| if is { name } else { "" });
        (format!("MatMul{add}{softmax}"), kernel)
    }
}

fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::None => "Copy",
        Activation::Relu => "Relu",
        Activation::Gelu => "Gelu",
    }
}

fn from_f32(to: &Target) -> String {
    match to.slot.kind {
        Kind::F32 => "f32".to_owned(),
        _ => format!("f32 -> {}", type_of(&to.slot)),
    }
}

fn type_of(slot: &Slot) -> &'static str {
    match slot.kind {
        Kind::F32 => "f32",
        Kind::I8 => "s8",
        Kind::I16 => "s16",
    }
}
