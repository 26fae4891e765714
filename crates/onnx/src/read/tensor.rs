//! A stored tensor, decoded and checked against its shape.

use half::{bf16, f16};

use super::external::External;
use crate::element::ElementType;
use crate::error::Fault;
use crate::model::{Constant, Data};
use crate::proto::{DataLocation, TensorProto};

/// More dimensions than any framework has.
const MOST_DIMENSIONS: usize = 64;

/// Decodes a tensor, called `label` in errors.
pub(super) fn constant(tensor: TensorProto, label: &str, external: &mut External) -> Result<Constant, Fault> {
    let element = ElementType::from_code(tensor.data_type)
        .map_err(|dtype| Fault::DataType { tensor: label.to_owned(), dtype })?;
    if tensor.segment.is_some() {
        return Err(Fault::tensor(
            label,
            "it is stored in segments, which are not read; export the model again",
        ));
    }
    let shape = shape(&tensor.dims).map_err(|reason| Fault::tensor(label, reason))?;
    // Below, `elements * width` cannot overflow: `shape` saw to it for the widest type.
    let elements: usize = shape.iter().product();
    let typed = [
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
    ];
    let is_external = tensor.data_location == Some(DataLocation::External as i32);
    let raw = tensor.raw_data.as_deref().filter(|raw| !raw.is_empty());
    let places =
        usize::from(is_external) + usize::from(raw.is_some()) + typed.iter().filter(|n| **n > 0).count();
    if places > 1 {
        return Err(Fault::tensor(label, "its data is given more than once; export the model again"));
    }

    let data = if is_external && elements > 0 {
        let bytes = external.read(label, &tensor, elements * element.width())?;
        from_raw(element, &bytes)
    } else if let Some(raw) = raw {
        check_length(&shape, elements * element.width(), raw.len(), "bytes")
            .and_then(|()| from_raw(element, raw))
    } else {
        let check = |got| check_length(&shape, elements, got, "values");
        // Once more afterwards: the values may lie in another type's list.
        check(typed.iter().sum())
            .and_then(|()| from_typed(element, tensor))
            .and_then(|data| check(data.len()).map(|()| data))
    };
    let data = data.map_err(|reason| Fault::tensor(label, reason))?;
    Ok(Constant { shape, data })
}

/// Sizes of a stored shape, whose number of bytes can be counted for every element type.
fn shape(dims: &[i64]) -> Result<Vec<usize>, String> {
    if dims.len() > MOST_DIMENSIONS {
        return Err(format!("it has {} dimensions; at most {MOST_DIMENSIONS} are read", dims.len()));
    }
    let shape: Option<Vec<usize>> = dims.iter().map(|dim| usize::try_from(*dim).ok()).collect();
    let shape = shape.ok_or_else(|| format!("shape {dims:?} has a negative size; export the model again"))?;
    // Zeros are left out: what a shape claims beside them must be countable, too.
    let mut bytes = shape.iter().filter(|size| **size > 0);
    bytes.try_fold(8_usize, |product, size| product.checked_mul(*size)).map(|_| ()).ok_or_else(|| {
        format!("shape {dims:?} has more elements than can be counted; export the model again")
    })?;
    Ok(shape)
}

fn check_length(shape: &[usize], needed: usize, got: usize, unit: &str) -> Result<(), String> {
    if needed == got {
        return Ok(());
    }
    Err(format!("shape {shape:?} needs {needed} {unit}, {got} are there; export the model again"))
}

/// Little-endian elements; `raw` is a whole number of them.
fn from_raw(element: ElementType, raw: &[u8]) -> Result<Data, String> {
    fn each<const N: usize, T>(raw: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
        raw.as_chunks::<N>().0.iter().map(|bytes| decode(*bytes)).collect()
    }
    Ok(match element {
        ElementType::F32 => Data::F32(each(raw, f32::from_le_bytes)),
        ElementType::F16 => Data::F32(each(raw, |b| f16::from_le_bytes(b).to_f32())),
        ElementType::Bf16 => Data::F32(each(raw, |b| bf16::from_le_bytes(b).to_f32())),
        ElementType::F64 => Data::F32(narrow(each(raw, f64::from_le_bytes))?),
        ElementType::I8 => Data::I64(each(raw, |b| i8::from_le_bytes(b).into())),
        ElementType::I16 => Data::I64(each(raw, |b| i16::from_le_bytes(b).into())),
        ElementType::I32 => Data::I64(each(raw, |b| i32::from_le_bytes(b).into())),
        ElementType::I64 => Data::I64(each(raw, i64::from_le_bytes)),
        ElementType::U8 => Data::I64(each(raw, |b| u8::from_le_bytes(b).into())),
        ElementType::U16 => Data::I64(each(raw, |b| u16::from_le_bytes(b).into())),
        ElementType::U32 => Data::I64(each(raw, |b| u32::from_le_bytes(b).into())),
        ElementType::U64 => Data::I64(integers(each(raw, u64::from_le_bytes))?),
        ElementType::Bool => Data::Bool(raw.iter().map(|byte| *byte != 0).collect()),
    })
}

/// Elements from the list that the specification gives their type.
fn from_typed(element: ElementType, tensor: TensorProto) -> Result<Data, String> {
    let TensorProto { float_data, int32_data, int64_data, double_data, uint64_data, .. } = tensor;
    // 16 bit floats lie in the low bits of an int32.
    let bits = |values: Vec<i32>| values.into_iter().map(convert::<i32, u16>).collect::<Result<Vec<_>, _>>();
    Ok(match element {
        ElementType::F32 => Data::F32(float_data),
        ElementType::F16 => {
            Data::F32(bits(int32_data)?.into_iter().map(|b| f16::from_bits(b).to_f32()).collect())
        }
        ElementType::Bf16 => {
            Data::F32(bits(int32_data)?.into_iter().map(|b| bf16::from_bits(b).to_f32()).collect())
        }
        ElementType::F64 => Data::F32(narrow(double_data)?),
        ElementType::I8 => Data::I64(within::<i8>(int32_data)?),
        ElementType::I16 => Data::I64(within::<i16>(int32_data)?),
        ElementType::I32 => Data::I64(within::<i32>(int32_data)?),
        ElementType::I64 => Data::I64(int64_data),
        ElementType::U8 => Data::I64(within::<u8>(int32_data)?),
        ElementType::U16 => Data::I64(within::<u16>(int32_data)?),
        ElementType::U32 => Data::I64(
            uint64_data
                .into_iter()
                .map(|v| convert::<u64, u32>(v).map(i64::from))
                .collect::<Result<_, _>>()?,
        ),
        ElementType::U64 => Data::I64(integers(uint64_data)?),
        ElementType::Bool => Data::Bool(int32_data.into_iter().map(|value| value != 0).collect()),
    })
}

fn convert<T: Copy + std::fmt::Display, U: TryFrom<T>>(value: T) -> Result<U, String> {
    U::try_from(value)
        .map_err(|_| format!("{value} lies outside of its element type; export the model again"))
}

/// Values of a narrow integer type, stored wider.
fn within<U: TryFrom<i32> + Into<i64>>(values: Vec<i32>) -> Result<Vec<i64>, String> {
    values.into_iter().map(|value| convert::<i32, U>(value).map(Into::into)).collect()
}

fn integers(values: Vec<u64>) -> Result<Vec<i64>, String> {
    let convert = |v| {
        i64::try_from(v)
            .map_err(|_| format!("{v} is beyond the 64 bit signed integers that are computed with"))
    };
    values.into_iter().map(convert).collect()
}

fn narrow(values: Vec<f64>) -> Result<Vec<f32>, String> {
    let convert = |value: f64| {
        let narrowed = value as f32;
        if narrowed.is_infinite() && value.is_finite() {
            return Err(format!("{value:e} is beyond the 32 bit floats that are computed with; clip it"));
        }
        Ok(narrowed)
    };
    values.into_iter().map(convert).collect()
}

#[cfg(test)]
#[path = "tensor_tests.rs"]
mod tests;
