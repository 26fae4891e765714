//! Inputs of a model and their shapes.

use std::collections::{BTreeMap, BTreeSet};

use crate::element::ElementType;
use crate::error::Fault;
use crate::model::{Constant, Input, InputDim};
use crate::proto::{DimensionProto, DimensionValue, TensorShapeProto, ValueInfoProto};

/// Reads what the model is fed: older files list initializers among the inputs, too.
pub(super) fn inputs(
    protos: Vec<ValueInfoProto>,
    initializers: &BTreeMap<String, Constant>,
) -> Result<Vec<Input>, Fault> {
    let mut symbols = symbols(&protos);
    let fed = protos.into_iter().filter(|proto| !initializers.contains_key(proto.name()));
    fed.map(|proto| input(proto, &mut symbols)).collect()
}

/// Every symbol of the file, which those made here must differ from.
fn symbols(protos: &[ValueInfoProto]) -> BTreeSet<String> {
    let types = protos.iter().filter_map(|proto| proto.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref());
    let symbol = |dim: &DimensionProto| match &dim.value {
        Some(DimensionValue::DimParam(symbol)) => Some(symbol.clone()),
        _ => None,
    };
    types.flat_map(|shape| shape.dim.iter().filter_map(symbol)).collect()
}

fn input(proto: ValueInfoProto, symbols: &mut BTreeSet<String>) -> Result<Input, Fault> {
    let name = proto.name.unwrap_or_default();
    if name.is_empty() {
        return Err(Fault::Unnamed { what: "an input of the model".to_owned() });
    }
    let Some(tensor) = proto.r#type.and_then(|t| t.tensor_type) else {
        return Err(Fault::input(&name, "it is not a tensor, or has no type; only tensors are fed"));
    };
    let element = ElementType::from_code(tensor.elem_type)
        .map_err(|dtype| Fault::DataType { tensor: name.clone(), dtype })?;
    let Some(TensorShapeProto { dim }) = tensor.shape else {
        return Err(Fault::input(
            &name,
            "it has no shape; export the model with one, dynamic where it must be",
        ));
    };
    let dims = dim.into_iter().enumerate().map(|(axis, dim)| dimension(dim, axis, &name, symbols));
    let dims = dims.collect::<Result<Vec<_>, _>>()?;
    let mut fixed = dims.iter().filter_map(|dim| match dim {
        InputDim::Fixed(size) => Some(*size),
        InputDim::Symbol(_) => None,
    });
    if fixed.try_fold(size_of::<i64>(), usize::checked_mul).is_none() {
        return Err(Fault::input(
            &name,
            "its shape has more elements than can be counted; export the model again",
        ));
    }
    Ok(Input { name, dtype: element.dtype(), dims })
}

fn dimension(
    dim: DimensionProto,
    axis: usize,
    name: &str,
    symbols: &mut BTreeSet<String>,
) -> Result<InputDim, Fault> {
    match dim.value {
        Some(DimensionValue::DimValue(size)) => match usize::try_from(size) {
            Ok(size) if size > 0 => Ok(InputDim::Fixed(size)),
            _ => {
                let reason = format!(
                    "dimension {axis} is {size}; a size is at least 1, a dynamic one has a symbol instead: \
                     export the model again"
                );
                Err(Fault::input(name, reason))
            }
        },
        Some(DimensionValue::DimParam(symbol)) if !symbol.is_empty() => Ok(InputDim::Symbol(symbol)),
        _ => {
            let mut symbol = format!("{name}.{axis}");
            while !symbols.insert(symbol.clone()) {
                symbol.push('_');
            }
            Ok(InputDim::Symbol(symbol))
        }
    }
}
