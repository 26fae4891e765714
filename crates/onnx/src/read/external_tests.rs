//! External data: where it is found, and where it is not looked for.

use std::fs;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use super::*;
use crate::element::ElementType;
use crate::model::{Constant, Data};
use crate::proto::{DataLocation, StringStringEntryProto};
use crate::read::tensor;

fn outside(entries: &[(&str, &str)], dims: &[i64]) -> TensorProto {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some((*key).to_owned()),
        value: Some((*value).to_owned()),
    };
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(ElementType::U8.code()),
        external_data: entries.iter().map(entry).collect(),
        data_location: Some(DataLocation::External as i32),
        ..TensorProto::default()
    }
}

fn read(folder: &Path, entries: &[(&str, &str)], dims: &[i64]) -> Result<Constant, Fault> {
    tensor::constant(outside(entries, dims), "w", &mut External::new(Some(folder)))
}

fn refusal(folder: &Path, entries: &[(&str, &str)]) -> String {
    read(folder, entries, &[4]).unwrap_err().to_string()
}

/// A folder `model` with `w.bin` of the bytes 0 to 9, beside a file `secret`.
fn folders() -> (TempDir, PathBuf) {
    let root = tempdir().unwrap();
    let folder = root.path().join("model");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("w.bin"), (0..10).collect::<Vec<u8>>()).unwrap();
    fs::write(root.path().join("secret"), [42; 10]).unwrap();
    (root, folder)
}

#[test]
fn offset_and_length_choose_the_bytes() {
    let (_root, folder) = folders();
    let values = |entries: &[(&str, &str)]| read(&folder, entries, &[2, 2]).unwrap().data;
    let whole = [("location", "w.bin"), ("offset", "6"), ("length", "4"), ("checksum", "none")];
    assert_eq!(values(&whole), Data::I64(vec![6, 7, 8, 9]));
    assert_eq!(values(&[("location", "./w.bin")]), Data::I64(vec![0, 1, 2, 3]));
}

#[test]
fn a_missing_file_is_named() {
    let (_root, folder) = folders();
    let message = refusal(&folder, &[("location", "gone.bin")]);
    assert!(message.starts_with("tensor `w`: external data `gone.bin`: cannot find it"), "{message}");
}

#[test]
fn a_range_outside_of_the_file_is_refused() {
    let (_root, folder) = folders();
    let at = |offset: &str| refusal(&folder, &[("location", "w.bin"), ("offset", offset)]);
    assert!(at("7").contains("4 bytes from offset 7 are needed, the file has 10"));
    assert!(at(&u64::MAX.to_string()).contains("are needed, the file has 10"));
    assert!(at("-1").contains("its offset is not a number"));
    let length = |length| refusal(&folder, &[("location", "w.bin"), ("length", length)]);
    assert!(length("5").contains("it is 5 bytes long, the shape needs 4"));
    assert!(length("4x").contains("its length is not a number"));
}

#[test]
fn a_claimed_gibibyte_is_not_allocated() {
    let (_root, folder) = folders();
    let message = read(&folder, &[("location", "w.bin")], &[1 << 30]).unwrap_err().to_string();
    assert!(message.contains("1073741824 bytes from offset 0 are needed, the file has 10"), "{message}");
}

#[test]
fn paths_that_lead_out_of_the_folder_are_refused() {
    let (root, folder) = folders();
    let absolute = root.path().join("secret");
    let inside = folder.join("w.bin");
    for location in [
        "../secret",
        "sub/../../secret",
        "sub/../w.bin",
        absolute.to_str().unwrap(),
        inside.to_str().unwrap(),
        "",
    ] {
        let message = refusal(&folder, &[("location", location)]);
        assert!(message.contains("must be a relative path without `..`"), "{location}: {message}");
    }
    assert!(refusal(&folder, &[]).contains("must be a relative path"));
}

#[cfg(unix)]
#[test]
fn links_may_stay_in_the_folder_and_not_lead_out() {
    use std::os::unix::fs::symlink;
    let (root, folder) = folders();
    symlink(root.path().join("secret"), folder.join("file")).unwrap();
    symlink(root.path(), folder.join("folder")).unwrap();
    symlink(folder.join("w.bin"), folder.join("sub").join("within")).unwrap();
    for location in ["file", "folder/secret"] {
        let message = refusal(&folder, &[("location", location)]);
        assert!(message.contains("a link leads out of the model's folder"), "{location}: {message}");
    }
    assert!(read(&folder, &[("location", "sub/within")], &[4]).is_ok());
    // The folder itself may be reached by a link.
    symlink(&folder, root.path().join("alias")).unwrap();
    assert!(read(&root.path().join("alias"), &[("location", "w.bin")], &[4]).is_ok());
}

#[test]
fn a_folder_is_no_data() {
    let (_root, folder) = folders();
    assert!(refusal(&folder, &[("location", "sub")]).contains("not a regular file"));
}

#[test]
fn without_a_folder_nothing_is_looked_for() {
    let tensor = outside(&[("location", "w.bin")], &[4]);
    let error = tensor::constant(tensor, "w", &mut External::new(None)).unwrap_err();
    assert!(error.to_string().contains("has no folder to look in"));
}

#[test]
fn data_may_be_shared_but_not_without_end() {
    let (_root, folder) = folders();
    let mut external = External::new(Some(&folder));
    let mut read = || tensor::constant(outside(&[("location", "w.bin")], &[10]), "w", &mut external);
    assert!(read().is_ok());
    assert!(read().is_ok());
    assert!(read().unwrap_err().to_string().contains("more than twice as large as their files"));
}

#[test]
fn data_inside_and_outside_is_refused() {
    let (_root, folder) = folders();
    let both = TensorProto { raw_data: Some(vec![0; 4].into()), ..outside(&[("location", "w.bin")], &[4]) };
    let error = tensor::constant(both, "w", &mut External::new(Some(&folder))).unwrap_err();
    assert!(error.to_string().contains("more than once"));
}
