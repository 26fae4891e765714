//! Well-formed tensor files, most of them written by numpy and safetensors (see `data/make.py`).
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::env;
use std::path::{Path, PathBuf};

use calibench_tasks::tensors::{Dtype, Tensor, TensorError, TensorFile, write_npy, write_safetensors};

use common::fixture;

fn read(file: &str, tensor: &str) -> Tensor {
    TensorFile::open(&fixture(file)).unwrap().read(tensor).unwrap()
}

/// Equal, where NaN equals NaN and 0 does not equal −0.
fn assert_values(tensor: &Tensor, expected: &[f32]) {
    let bits = |values: &[f32]| {
        values.iter().map(|v| if v.is_nan() { f32::NAN } else { *v }.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&tensor.values), bits(expected), "{}: {:?}", tensor.name, tensor.values);
}

#[test]
fn npy_order_endianness_and_version_do_not_change_the_values() {
    let counting: Vec<f32> = (0..24).map(|v| v as f32).collect();
    for name in ["count", "fortran", "big_endian", "version2", "version3"] {
        let tensor = read(&format!("{name}.npy"), name);
        assert_eq!((&*tensor.name, &*tensor.shape), (name, &[2, 3, 4][..]));
        assert_values(&tensor, &counting);
    }
}

#[test]
fn a_scalar_has_no_dimension_and_one_value() {
    let tensor = read("scalar.npy", "scalar");
    assert!(tensor.shape.is_empty());
    assert_values(&tensor, &[2.5]);
}

#[test]
fn every_element_type_is_converted() {
    let mut file = TensorFile::open(&fixture("dtypes.safetensors")).unwrap();
    let two = |exponent: i32| 2_f32.powi(exponent);
    let expected: &[(&str, Dtype, &[f32])] = &[
        ("i8", Dtype::I8, &[-128.0, 0.0, 127.0]),
        ("u8", Dtype::U8, &[0.0, 1.0, 255.0]),
        ("i16", Dtype::I16, &[-32768.0, 0.0, 32767.0]),
        ("u16", Dtype::U16, &[0.0, 1.0, 65535.0]),
        // 2^24 + 1 lies between two f32 and goes to the even one, 2^24 + 3 likewise, upwards.
        ("i32", Dtype::I32, &[-two(31), 0.0, 16_777_216.0]),
        ("u32", Dtype::U32, &[0.0, 1.0, two(32)]),
        ("i64", Dtype::I64, &[-two(63), 0.0, 16_777_220.0]),
        ("u64", Dtype::U64, &[0.0, 1.0, two(64)]),
        ("bool", Dtype::Bool, &[0.0, 1.0, 1.0]),
        ("f16", Dtype::F16, &[-0.5, 65504.0, f32::INFINITY, f32::NAN, two(-24)]),
        ("bf16", Dtype::Bf16, &[1.0, -2.5, f32::INFINITY, f32::NAN]),
        ("f32", Dtype::F32, &[-0.5, f32::MAX, f32::NEG_INFINITY, f32::NAN, f32::from_bits(1)]),
        ("f64", Dtype::F64, &[0.1, f32::INFINITY, f32::NAN, f32::NEG_INFINITY, f32::MAX]),
    ];
    for (name, dtype, values) in expected {
        let info = file.tensors().find(|info| info.name == *name).unwrap();
        assert_eq!(info.dtype, *dtype);
        assert_values(&file.read(name).unwrap(), values);
    }
    assert_eq!(file.tensors().count(), expected.len() + 1, "and fp8");
}

#[test]
fn overflow_of_f64_is_counted_and_infinity_is_not() {
    for (file, name) in [("dtypes.safetensors", "f64"), ("f64_big_endian.npy", "f64_big_endian")] {
        let tensor = read(file, name);
        assert_eq!(tensor.overflowed, 1, "{file}");
        assert_values(&tensor, &[0.1, f32::INFINITY, f32::NAN, f32::NEG_INFINITY, f32::MAX]);
    }
    assert_eq!(read("dtypes.safetensors", "f32").overflowed, 0);
}

#[test]
fn types_without_a_value_are_listed_and_not_read() {
    let unreadable = [
        ("complex.npy", "complex", "<c8"),
        ("text.npy", "text", "<U2"),
        ("record.npy", "record", "record"),
        ("object.npy", "object", "|O"),
        ("dtypes.safetensors", "fp8", "F8_E4M3"),
    ];
    for (file, name, dtype) in unreadable {
        let mut file = TensorFile::open(&fixture(file)).unwrap();
        assert!(file.tensors().any(|info| info.name == name && info.dtype.to_string() == dtype));
        let error = file.read(name).unwrap_err();
        assert!(matches!(error, TensorError::Dtype { .. }), "{error}");
        let message = error.to_string();
        assert!(message.contains(dtype) && message.contains("convert it to float32"), "{message}");
    }
}

#[test]
fn npz_members_are_read_stored_and_deflated() {
    let mut file = TensorFile::open(&fixture("stored.npz")).unwrap();
    let names: Vec<_> = file.tensors().map(|info| info.name.clone()).collect();
    assert_eq!(names, ["act.0", "act.1", "act.2", "act.3"]);
    // Members are read in any order, and twice.
    for (name, value) in [("act.3", 3.0), ("act.1", 1.0), ("act.3", 3.0)] {
        let tensor = file.read(name).unwrap();
        assert_eq!(tensor.shape, [1, 2]);
        assert_values(&tensor, &[value; 2]);
    }
    assert_values(&read("deflated.npz", "zeros"), &[0.0; 64 * 64]);
    assert_values(&read("deflated.npz", "count"), &(0..24).map(|v| v as f32).collect::<Vec<_>>());
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let values = vec![0.0, -0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE, 1.5];
    let tensor = |name: &str, shape: &[usize]| Tensor::new(name, shape, values.clone()).unwrap();
    let written = [tensor("b", &[2, 3]), tensor("a/ü", &[6]), Tensor::new("c", &[], vec![7.0]).unwrap()];

    let path = folder.path().join("tensors.safetensors");
    write_safetensors(&path, &written).unwrap();
    let mut file = TensorFile::open(&path).unwrap();
    assert_eq!(file.tensors().map(|info| &*info.name).collect::<Vec<_>>(), ["a/ü", "b", "c"]);
    for tensor in &written {
        let read = file.read(&tensor.name).unwrap();
        assert_eq!(read.shape, tensor.shape);
        assert_values(&read, &tensor.values);
    }

    for tensor in &written {
        let path = folder.path().join("array.npy");
        write_npy(&path, tensor).unwrap();
        let read = TensorFile::open(&path).unwrap().read("array").unwrap();
        assert_eq!(read.shape, tensor.shape);
        assert_values(&read, &tensor.values);
    }
}

#[test]
fn an_array_is_written_byte_for_byte_as_numpy_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("count.npy");
    write_npy(&path, &read("count.npy", "count")).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(fixture("count.npy")).unwrap());
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tensors.safetensors");
    let tensor = |name: &str, shape: &[usize]| Tensor::new(name, shape, vec![1.0]).unwrap();
    let message = |tensors: &[Tensor]| write_safetensors(&path, tensors).unwrap_err().to_string();

    assert!(message(&[tensor("a", &[1]), tensor("a", &[1])]).contains("another tensor has this name"));
    assert!(message(&[tensor("", &[1])]).contains("must have 1 to 4096"));
    assert!(message(&[tensor("a", &[1; 65])]).contains("65 dimensions; at most 64"));
    let short = Tensor { values: vec![], ..tensor("a", &[1]) };
    assert_eq!(message(&[short]), "tensor `a` of shape [1] needs 1 values, got 0 values");
    let uncountable = Tensor::new("a", &[usize::MAX, 2], vec![]).unwrap_err().to_string();
    assert!(uncountable.contains("more values than can be counted"), "{uncountable}");
    assert!(!path.exists());
}

/// `goldens` beside the folder that CALIBENCH_SHARED_DATA names, or beside the repository in `shared`.
fn goldens() -> PathBuf {
    let shared = env::var_os("CALIBENCH_SHARED_DATA").map(PathBuf::from);
    let shared = shared.as_deref().and_then(Path::parent).map(Path::to_owned);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    shared.unwrap_or_else(beside).join("goldens/tensors.safetensors")
}

#[test]
fn the_golden_tensors_are_13_cases_of_4_batches() {
    let path = goldens();
    if !path.is_file() {
        println!("skipped: {} is not there; set CALIBENCH_SHARED_DATA", path.display());
        return;
    }
    let mut file = TensorFile::open(&path).unwrap();
    let cases = file.cases(None).unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let names: Vec<_> = case.batches.iter().map(|info| info.name.clone()).collect();
        assert_eq!(names, [0, 1, 2, 3].map(|batch| format!("{}.{batch}", case.name)));
        for info in case.batches {
            assert_eq!((&info.dtype, info.elements()), (&Dtype::F32, 4096), "{}", info.name);
            assert_eq!(file.read(&info.name).unwrap().values.len(), 4096);
        }
    }
}
