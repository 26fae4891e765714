//! What an ONNX model means: operators to our [`Graph`], shapes bound, constants folded, the batch free.
//!
//! A model is converted twice, at two batch sizes, with every other size known. Shape arithmetic then folds to
//! numbers, whatever operators it is made of. Where the two results differ is where the batch is: [`unify`] puts
//! the symbol there, and shape inference over the result confirms that it holds for every batch size.

mod attributes;
mod converter;
mod error;
mod fold;
mod ops;
mod unify;

use std::collections::BTreeMap;

use calibench_graph::passes::{canonical, prune};
use calibench_graph::{Dim, Element, Graph, Value, ValueId, is_batched, per_sample};

pub use error::ConvertError;
pub use ops::OPERATORS;

use crate::{DataType, InputDim, Model};
use converter::Converter;

/// The two batch sizes of a conversion: odd, prime, and unlike what models are made of.
const SIZES: [usize; 2] = [5, 7];

/// How a model is converted.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// Sizes of symbolic dimensions other than the batch.
    pub bind: BTreeMap<String, usize>,
    /// The output that the graph returns; the model's first when `None`.
    pub output: Option<String>,
}

/// A model as a graph.
#[derive(Debug, Clone)]
pub struct Converted {
    /// The graph, canonical: constants folded, exporters' patterns replaced by what they mean. An input of whole
    /// numbers `[batch, positions]` called `attention_mask` is its [mask](Graph::mask).
    pub graph: Graph,
    /// Whether the file fixes the batch at 1 and the graph does not. Reshapes that spell out the 1 then stand
    /// for any batch, which only a comparison of outputs can confirm.
    pub rebatched: bool,
}

/// One input of a model, as a run must feed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The input's name.
    pub name: String,
    /// What its elements are.
    pub element: Element,
    /// Shape of one sample, without the batch axis.
    pub sample: Vec<InputDim>,
}

impl Model {
    /// What a run must feed, input by input, without the batch axis.
    ///
    /// # Errors
    /// [`ConvertError::Input`] for an input without a batch axis.
    pub fn signature(&self) -> Result<Vec<Signature>, ConvertError> {
        let input = |input: &crate::Input| {
            let (_, sample) = input.dims.split_first().ok_or_else(|| ConvertError::Input {
                input: input.name.clone(),
                reason: "has no axis, so none for the batch; give it one when you export the model"
                    .to_owned(),
            })?;
            let element = if input.dtype == DataType::F32 { Element::Float } else { Element::Integer };
            Ok(Signature { name: input.name.clone(), element, sample: sample.to_vec() })
        };
        self.inputs.iter().map(input).collect()
    }

    /// Converts the model to a canonical graph.
    ///
    /// The batch is axis 0 of every input. Other symbolic dimensions take their sizes from
    /// [`ConvertOptions::bind`].
    ///
    /// # Errors
    /// [`ConvertError`]: an operator or a form of it that is not supported, with node, operator and opset; a
    /// dimension that is not bound; an output that does not exist; shapes that do not fit.
    pub fn to_graph(&self, options: &ConvertOptions) -> Result<Converted, ConvertError> {
        let batch = self.batch()?;
        let output = match &options.output {
            None => self.outputs.first().ok_or(ConvertError::NoOutput)?,
            Some(name) => self.outputs.iter().find(|o| *o == name).ok_or_else(|| ConvertError::Output {
                output: name.clone(),
                known: self.outputs.join(", "),
            })?,
        };
        let at = |size| Converter::new(self, batch, size, &options.bind)?.run(output);
        let mut graph = prune(&unify::unify(&at(SIZES[0])?, &at(SIZES[1])?, SIZES, batch)?);
        if let Some(empty) = graph.nodes.iter().find(|n| per_sample(&graph.value(n.output).shape) == 0) {
            return Err(ConvertError::Empty { node: empty.name.clone() });
        }
        if !is_batched(&graph.value(graph.output).shape) {
            return Err(ConvertError::Constant { output: output.clone() });
        }
        let mask = graph.input_values().position(is_mask);
        graph.mask = mask.map(ValueId);
        Ok(Converted { graph: canonical(&graph)?, rebatched: batch == Batch::One })
    }

    /// What axis 0 of the inputs says of the batch.
    fn batch(&self) -> Result<Batch<'_>, ConvertError> {
        self.signature()?;
        let first = self.inputs.first().ok_or(ConvertError::NoInput)?;
        match &first.dims[0] {
            InputDim::Symbol(symbol) => Ok(Batch::Symbol(symbol)),
            InputDim::Fixed(1) => Ok(Batch::One),
            InputDim::Fixed(n) => Err(ConvertError::Input {
                input: first.name.clone(),
                reason: format!(
                    "has a fixed batch of {n}; export the model with a batch of 1 or a dynamic one"
                ),
            }),
        }
    }
}

/// Whether an input marks padding by zeros: exporters of transformers call it so.
fn is_mask(input: &Value) -> bool {
    input.name == "attention_mask"
        && input.element == Element::Integer
        && matches!(input.shape[..], [Dim::Batch, Dim::Fixed(_)])
}

/// How a model spells its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch<'m> {
    /// By this symbol.
    Symbol(&'m str),
    /// It is fixed at 1.
    One,
}
