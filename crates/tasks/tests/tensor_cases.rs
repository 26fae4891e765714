//! Grouping of tensors into cases and batches.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::fs;

use calibench_tasks::tensors::{Tensor, TensorError, TensorFile, write_npy, write_safetensors};
use tempfile::TempDir;

use common::{npy, stored};

/// A file of tensors of one value each, in a folder that must outlive it.
fn file(names: &[&str]) -> (TempDir, TensorFile) {
    shaped(&names.iter().map(|name| (*name, &[1][..])).collect::<Vec<_>>())
}

fn shaped(tensors: &[(&str, &[usize])]) -> (TempDir, TensorFile) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activations.safetensors");
    let tensor = |&(name, shape): &(&str, &[usize])| {
        Tensor::new(name, shape, vec![1.0; shape.iter().product()]).unwrap()
    };
    write_safetensors(&path, &tensors.iter().map(tensor).collect::<Vec<_>>()).unwrap();
    let file = TensorFile::open(&path).unwrap();
    (folder, file)
}

/// Each case as `NAME: TENSOR TENSOR …`.
fn cases(names: &[&str], prefix: Option<&str>) -> Vec<String> {
    let (_folder, file) = file(names);
    let line = |case: calibench_tasks::tensors::Case| {
        let batches: Vec<_> = case.batches.into_iter().map(|info| info.name).collect();
        format!("{}: {}", case.name, batches.join(" "))
    };
    file.cases(prefix).unwrap().into_iter().map(line).collect()
}

fn message(names: &[&str], prefix: Option<&str>) -> String {
    let (folder, file) = file(names);
    let message = file.cases(prefix).unwrap_err().to_string();
    let path = folder.path().join("activations.safetensors").display().to_string();
    message.strip_prefix(&format!("{path}: ")).unwrap_or_else(|| panic!("no path: {message}")).to_owned()
}

#[test]
fn batches_are_ordered_by_number_and_cases_by_name() {
    let mut names: Vec<String> = (0..12).map(|batch| format!("relu.{batch}")).collect();
    names.extend(["gelu".to_owned(), "attn.0.q".to_owned(), "attn.0.k.0".to_owned()]);
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let batches: Vec<String> = (0..12).map(|batch| format!("relu.{batch}")).collect();
    assert_eq!(
        cases(&names, None),
        [
            "attn.0.k: attn.0.k.0".to_owned(),
            "attn.0.q: attn.0.q".to_owned(),
            "gelu: gelu".to_owned(),
            format!("relu: {}", batches.join(" "))
        ]
    );
}

#[test]
fn padded_numbers_are_numbers_and_other_suffixes_are_names() {
    let padded = ["a.00", "a.01", "a.02"];
    assert_eq!(cases(&padded, None), ["a: a.00 a.01 a.02"]);
    let names = ["a.", ".0", "7", "a.b", "a.1x", "a.+1", "a.18446744073709551616"];
    let alone = cases(&names, None);
    assert_eq!(alone.len(), names.len(), "{alone:?}");
}

#[test]
fn a_prefix_selects_and_hides_what_is_wrong_elsewhere() {
    let names = ["conv1.0", "conv1.1", "conv2.0", "broken.3"];
    assert_eq!(cases(&names, Some("conv")), ["conv1: conv1.0 conv1.1", "conv2: conv2.0"]);
    assert_eq!(cases(&names, Some("conv2")), ["conv2: conv2.0"]);
}

#[test]
fn an_unknown_prefix_names_the_cases() {
    assert_eq!(
        message(&["conv1.0", "conv1.1", "linear"], Some("covn1")),
        "no case starts with `covn1`, did you mean `conv1`?; known: conv1, linear"
    );
    let many: Vec<String> = (10..35).map(|n| format!("site{n}")).collect();
    let many: Vec<&str> = many.iter().map(|name| &**name).collect();
    let message = message(&many, Some("zebra-crossing"));
    assert!(message.ends_with("site28, site29 and 5 more") && !message.contains("mean"), "{message}");
}

#[test]
fn a_gap_names_the_missing_tensor() {
    assert_eq!(
        message(&["a.0", "a.1", "a.3", "a.10"], None),
        "case `a` has no tensor `a.2`, but has `a.3`; number the batches of a case from 0, without gaps"
    );
    assert!(message(&["a.1", "a.2"], None).starts_with("case `a` has no tensor `a.0`, but has `a.1`"));
    assert!(message(&["a.18446744073709551615"], None).contains("no tensor `a.0`"));
}

#[test]
fn two_tensors_for_one_batch_are_ambiguous() {
    assert_eq!(
        message(&["a.0", "a.1", "a.01"], None),
        "tensors `a.01` and `a.1` are both batch 1 of case `a`; rename one of them"
    );
    assert_eq!(message(&["a", "a.0"], None), "tensors `a` and `a.0` are both case `a`; rename one of them");
}

#[test]
fn batches_may_differ_in_their_first_dimension_only() {
    let (_folder, file) = shaped(&[("a.0", &[4, 3]), ("a.1", &[2, 3]), ("b.0", &[]), ("b.1", &[])]);
    assert_eq!(file.cases(None).unwrap().len(), 2);
    for (first, other) in [(&[4, 3][..], &[4, 2][..]), (&[4, 3], &[4, 3, 1]), (&[4], &[4, 1]), (&[], &[1])] {
        let (_folder, file) = shaped(&[("a.0", first), ("a.1", other)]);
        let error = file.cases(None).unwrap_err();
        assert!(matches!(error, TensorError::BatchShape { .. }), "{error}");
        let expected = format!("tensor `a.1` has shape {other:?}, `a.0` has {first:?}");
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

#[test]
fn the_array_of_a_npy_file_is_one_case_whatever_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet.v1.5.npy");
    write_npy(&path, &Tensor::new("any", &[2], vec![1.0, 2.0]).unwrap()).unwrap();
    let cases = TensorFile::open(&path).unwrap().cases(None).unwrap();
    assert_eq!((cases.len(), &*cases[0].name), (1, "resnet.v1.5"));
}

#[test]
fn what_cannot_be_read_is_found_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mixed.npz");
    let good = npy("<f4", "(1,)", &[0; 4]);
    let (text, none) = (npy("<U1", "(1,)", &[0; 4]), npy("<f4", "(0, 3)", &[]));
    fs::write(&path, stored(&[("a.0.npy", &good), ("b.0.npy", &good), ("b.1.npy", &text), ("c.npy", &none)]))
        .unwrap();
    let file = TensorFile::open(&path).unwrap();
    assert_eq!(file.cases(Some("a")).unwrap().len(), 1);
    let error = file.cases(Some("b")).unwrap_err();
    assert!(matches!(&error, TensorError::Dtype { tensor, .. } if tensor == "b.1"), "{error}");
    let error = file.cases(Some("c")).unwrap_err();
    assert!(
        error.to_string().ends_with("tensor `c` of shape [0, 3] holds no value; leave it out"),
        "{error}"
    );
}

#[test]
fn a_file_without_tensors_has_no_cases() {
    let (_folder, file) = file(&[]);
    let error = file.cases(None).unwrap_err();
    assert!(matches!(error, TensorError::NoTensor { .. }), "{error}");
}
