//! What each ONNX operator means, by family.

mod elementwise;
mod indexing;
mod layout;
mod pooling;
mod products;
mod reduce;
mod resize;
mod sources;

use super::converter::{Converter, Operand, Result};

/// The operators that are converted, of the default domain.
pub const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Cos",
    "Div",
    "Dropout",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "ScatterND",
    "Shape",
    "Sigmoid",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
];

/// Converts the node at hand: its outputs, in order.
pub(super) fn convert<'m>(c: &mut Converter<'m>) -> Result<Vec<Operand<'m>>> {
    let one = match c.node.op.as_str() {
        "Split" => return layout::split(c),
        "Conv" => products::conv(c),
        "Gemm" => products::gemm(c),
        "MatMul" => products::matmul(c),
        "BatchNormalization" => products::batch_normalization(c),
        "LayerNormalization" => products::layer_normalization(c),
        "Softmax" | "LogSoftmax" => products::softmax(c),
        "MaxPool" | "AveragePool" => pooling::pool(c),
        "GlobalAveragePool" | "GlobalMaxPool" => pooling::global(c),
        "ReduceMean" | "ReduceSum" | "ReduceL2" | "ReduceMax" | "ReduceMin" | "ReduceProd" => {
            reduce::reduce(c)
        }
        "Reshape" => layout::reshape(c),
        "Flatten" => layout::flatten(c),
        "Transpose" => layout::transpose(c),
        "Squeeze" => layout::squeeze(c),
        "Unsqueeze" => layout::unsqueeze(c),
        "Concat" => layout::concat(c),
        "Expand" => layout::expand(c),
        "Tile" => layout::tile(c),
        "Pad" => layout::pad(c),
        "Slice" => indexing::slice(c),
        "Gather" => indexing::gather(c),
        "GatherND" => indexing::gather_nd(c),
        "ScatterND" => indexing::scatter_nd(c),
        "Trilu" => indexing::trilu(c),
        "Shape" | "Size" => sources::shape(c),
        "Constant" => sources::constant(c),
        "ConstantOfShape" => sources::constant_of_shape(c),
        "Range" => sources::range(c),
        "Resize" => resize::resize(c),
        _ => elementwise::elementwise(c),
    };
    Ok(vec![one?])
}
