//! Known answers for every element type, and what is refused.

use super::*;
use crate::proto::TensorProto;

fn read(tensor: TensorProto) -> Result<Constant, Fault> {
    constant(tensor, "t", &mut External::new(None))
}

fn raw(element: ElementType, dims: &[i64], bytes: &[u8]) -> TensorProto {
    TensorProto { raw_data: Some(bytes.to_vec().into()), ..empty(element, dims) }
}

fn empty(element: ElementType, dims: &[i64]) -> TensorProto {
    TensorProto { dims: dims.to_vec(), data_type: Some(element.code()), ..TensorProto::default() }
}

fn refusal(tensor: TensorProto) -> String {
    read(tensor).unwrap_err().to_string()
}

#[test]
fn raw_data_of_every_type_has_its_value() {
    use ElementType::*;
    // Bit patterns by hand: 1.5 is sign 0, exponent 0, fraction one half.
    let cases: &[(ElementType, &[u8], Data)] = &[
        (F32, &[0x00, 0x00, 0xc0, 0x3f], Data::F32(vec![1.5])),
        (F16, &[0x00, 0x3e], Data::F32(vec![1.5])),
        (Bf16, &[0xc0, 0x3f], Data::F32(vec![1.5])),
        (F64, &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], Data::F32(vec![1.5])),
        (I8, &[0x80], Data::I64(vec![-128])),
        (I16, &[0x00, 0x80], Data::I64(vec![-32768])),
        (I32, &[0, 0, 0, 0x80], Data::I64(vec![i64::from(i32::MIN)])),
        (I64, &[0, 0, 0, 0, 0, 0, 0, 0x80], Data::I64(vec![i64::MIN])),
        (U8, &[0xff], Data::I64(vec![255])),
        (U16, &[0xff, 0xff], Data::I64(vec![65535])),
        (U32, &[0xff, 0xff, 0xff, 0xff], Data::I64(vec![4_294_967_295])),
        (U64, &[1, 0, 0, 0, 0, 0, 0, 0x7f], Data::I64(vec![0x7f00_0000_0000_0001])),
        (Bool, &[1], Data::Bool(vec![true])),
    ];
    for (element, bytes, expected) in cases {
        for (dims, copies) in [(&[][..], 1), (&[1], 1), (&[3, 2], 6)] {
            let constant = read(raw(*element, dims, &bytes.repeat(copies))).unwrap();
            assert_eq!(constant.shape, dims.iter().map(|d| *d as usize).collect::<Vec<_>>());
            assert_eq!((constant.data.len(), constant.data.dtype()), (copies, element.dtype()));
            let first = match constant.data {
                Data::F32(values) => Data::F32(values[..1].to_vec()),
                Data::I64(values) => Data::I64(values[..1].to_vec()),
                Data::Bool(values) => Data::Bool(values[..1].to_vec()),
            };
            assert_eq!(first, *expected, "{element:?}");
        }
    }
}

#[test]
fn typed_data_of_every_type_has_its_value() {
    use ElementType::*;
    let of = |element| empty(element, &[2]);
    let ints = |element, values: [i32; 2]| TensorProto { int32_data: values.to_vec(), ..of(element) };
    let longs = |element, values: [u64; 2]| TensorProto { uint64_data: values.to_vec(), ..of(element) };
    let cases = [
        (TensorProto { float_data: vec![1.5, -2.0], ..of(F32) }, Data::F32(vec![1.5, -2.0])),
        (TensorProto { double_data: vec![1.5, -2.0], ..of(F64) }, Data::F32(vec![1.5, -2.0])),
        (ints(F16, [0x3e00, 0xc000]), Data::F32(vec![1.5, -2.0])),
        (ints(Bf16, [0x3fc0, 0xc000]), Data::F32(vec![1.5, -2.0])),
        (ints(I8, [-128, 127]), Data::I64(vec![-128, 127])),
        (ints(I16, [-32768, 32767]), Data::I64(vec![-32768, 32767])),
        (ints(I32, [i32::MIN, 7]), Data::I64(vec![i32::MIN.into(), 7])),
        (TensorProto { int64_data: vec![i64::MIN, 7], ..of(I64) }, Data::I64(vec![i64::MIN, 7])),
        (ints(U8, [0, 255]), Data::I64(vec![0, 255])),
        (ints(U16, [0, 65535]), Data::I64(vec![0, 65535])),
        (longs(U32, [0, u32::MAX.into()]), Data::I64(vec![0, u32::MAX.into()])),
        (longs(U64, [0, i64::MAX as u64]), Data::I64(vec![0, i64::MAX])),
        (ints(Bool, [0, 1]), Data::Bool(vec![false, true])),
    ];
    for (tensor, expected) in cases {
        assert_eq!(read(tensor).unwrap().data, expected);
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    use ElementType::*;
    let ints = |element, value| TensorProto { int32_data: vec![value], ..empty(element, &[1]) };
    for tensor in [ints(I8, 128), ints(U8, -1), ints(I16, 1 << 15), ints(U16, -1), ints(F16, 1 << 16)] {
        assert!(refusal(tensor).contains("outside of its element type"));
    }
    let wide = TensorProto { uint64_data: vec![1 << 32], ..empty(U32, &[1]) };
    assert!(refusal(wide).contains("outside of its element type"));
    let huge = TensorProto { uint64_data: vec![1 << 63], ..empty(U64, &[1]) };
    assert!(refusal(huge).contains("9223372036854775808 is beyond the 64 bit signed"));
    assert!(refusal(raw(F64, &[1], &1e39_f64.to_le_bytes())).contains("1e39 is beyond the 32 bit floats"));
    let infinite = read(raw(F64, &[1], &f64::NEG_INFINITY.to_le_bytes())).unwrap();
    assert_eq!(infinite.data, Data::F32(vec![f32::NEG_INFINITY]));
}

#[test]
fn types_without_a_value_are_refused_by_name() {
    for (code, name) in
        [(None, "undefined"), (Some(8), "string"), (Some(14), "complex64"), (Some(22), "int4")]
    {
        let message = refusal(TensorProto { data_type: code, ..TensorProto::default() });
        assert!(
            message.starts_with(&format!("tensor `t` has elements of type {name}; read are")),
            "{message}"
        );
    }
}

#[test]
fn data_shorter_or_longer_than_the_shape_is_refused() {
    let message = |bytes: &[u8]| refusal(raw(ElementType::F32, &[2, 3], bytes));
    assert!(message(&[0; 20]).contains("shape [2, 3] needs 24 bytes, 20 are there"));
    assert!(message(&[0; 25]).contains("shape [2, 3] needs 24 bytes, 25 are there"));
    assert!(message(&[]).contains("shape [2, 3] needs 6 values, 0 are there"));
    let typed = TensorProto { float_data: vec![0.0; 5], ..empty(ElementType::F32, &[2, 3]) };
    assert!(refusal(typed).contains("needs 6 values, 5 are there"));
}

#[test]
fn data_in_another_types_list_is_refused() {
    let wrong = |dims: &[i64]| TensorProto { int32_data: vec![1], ..empty(ElementType::F32, dims) };
    assert!(refusal(wrong(&[1])).contains("shape [1] needs 1 values, 0 are there"));
    assert!(refusal(wrong(&[0])).contains("shape [0] needs 0 values, 1 are there"));
}

#[test]
fn data_given_twice_is_refused() {
    let both = TensorProto { float_data: vec![0.0], ..raw(ElementType::F32, &[1], &[0; 4]) };
    assert!(refusal(both).contains("more than once"));
    let lists = TensorProto { float_data: vec![0.0], int32_data: vec![0], ..empty(ElementType::F32, &[1]) };
    assert!(refusal(lists).contains("more than once"));
}

#[test]
fn absurd_shapes_are_refused() {
    let message = |dims: &[i64]| refusal(empty(ElementType::U8, dims));
    for dims in [&[i64::MAX][..], &[1 << 31, 1 << 31], &[1 << 40, 1 << 40], &[0, i64::MAX, 3]] {
        assert!(message(dims).contains("more elements than can be counted"), "{dims:?}");
    }
    assert!(message(&[-1]).contains("shape [-1] has a negative size"));
    assert!(message(&[0, i64::MIN]).contains("has a negative size"));
    assert!(message(&[1; 65]).contains("65 dimensions; at most 64"));
}

#[test]
fn a_claimed_gibibyte_in_a_small_file_is_refused() {
    let message = refusal(raw(ElementType::F32, &[1 << 28], &[0; 8]));
    assert!(message.contains("needs 1073741824 bytes, 8 are there"), "{message}");
    let message = refusal(empty(ElementType::F32, &[1 << 28]));
    assert!(message.contains("needs 268435456 values, 0 are there"), "{message}");
}

#[test]
fn a_tensor_may_be_empty() {
    for dims in [&[0][..], &[3, 0], &[0, 1 << 20]] {
        let axes = read(empty(ElementType::I64, dims)).unwrap();
        assert_eq!(axes.data, Data::I64(vec![]));
        let roi = read(raw(ElementType::F32, dims, &[])).unwrap();
        assert_eq!((roi.shape.len(), roi.data), (dims.len(), Data::F32(vec![])));
    }
}

#[test]
fn segments_are_refused() {
    let segment = TensorProto { segment: Some(vec![].into()), ..raw(ElementType::I8, &[1], &[0]) };
    assert!(refusal(segment).contains("stored in segments"));
}
