//! Files that break their format: each gives an error that says what is wrong and where.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::fs::{self, File};
use std::path::Path;

use calibench_tasks::tensors::{MAX_VALUES, TensorError, TensorFile};
use zip::CompressionMethod;

use common::{fixture, npy, npy_with, safetensors, stored, zip};

/// The first error of opening the file, grouping it and reading all of it.
fn error_at(path: &Path) -> TensorError {
    let opened = TensorFile::open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) => return error,
    };
    let names: Vec<_> = file.tensors().map(|info| info.name.clone()).collect();
    let read = names.iter().map(|name| file.read(name)).find_map(Result::err);
    read.unwrap_or_else(|| panic!("{} has no fault", path.display()))
}

/// The message for a file of these bytes, without its path, which it must start with.
fn fault(extension: &str, bytes: &[u8]) -> String {
    thread_local!(static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap());
    let path = FOLDER.with(|folder| folder.path().join(format!("hostile.{extension}")));
    fs::write(&path, bytes).unwrap();
    let error = error_at(&path).to_string();
    // Some filesystems flush a file that is truncated, not one that is new.
    fs::remove_file(&path).unwrap();
    let path = path.display().to_string();
    error.strip_prefix(&format!("{path}: ")).unwrap_or_else(|| panic!("no path: {error}")).to_owned()
}

#[track_caller]
fn assert_fault(extension: &str, bytes: &[u8], expected: &str) {
    let message = fault(extension, bytes);
    assert!(message.contains(expected), "expected `{expected}` in: {message}");
}

#[test]
fn a_path_that_is_no_tensor_file() {
    let folder = tempfile::tempdir().unwrap();
    let message = |path: &Path| TensorFile::open(path).unwrap_err().to_string();
    let missing = folder.path().join("missing.npy");
    assert!(message(&missing).starts_with(&format!("cannot read {}: ", missing.display())));
    let directory = folder.path().join("folder.npz");
    fs::create_dir(&directory).unwrap();
    assert!(message(&directory).contains("is not a regular file; give one .safetensors, .npy or .npz file"));
    for name in ["model.pt", "noextension", "a.npy.gz"] {
        let path = folder.path().join(name);
        fs::write(&path, npy("<f4", "()", &[0; 4])).unwrap();
        assert!(message(&path).contains("a tensor file ends in .safetensors, .npy or .npz"), "{name}");
    }
    let path = folder.path().join("UPPER.NPY");
    fs::write(&path, npy("<f4", "()", &[0; 4])).unwrap();
    assert_eq!(TensorFile::open(&path).unwrap().read("UPPER").unwrap().values, [0.0]);
}

#[test]
fn an_unknown_tensor_gets_the_nearest_name() {
    let mut file = TensorFile::open(&fixture("stored.npz")).unwrap();
    let message = file.read("act0").unwrap_err().to_string();
    let expected = "no tensor is named `act0`, did you mean `act.0`?; known: act.0, act.1, act.2, act.3";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn a_truncated_file_is_an_error_at_every_length() {
    for (name, extension) in [
        ("count.npy", "npy"),
        ("dtypes.safetensors", "safetensors"),
        ("stored.npz", "npz"),
        ("deflated.npz", "npz"),
    ] {
        let whole = fs::read(fixture(name)).unwrap();
        for len in 0..whole.len() {
            assert!(!fault(extension, &whole[..len]).is_empty(), "{name} at {len}");
        }
    }
}

#[test]
fn npy_magic_and_version() {
    assert_fault("npy", b"", "the data ends before its time; write the file again");
    assert_fault("npy", b"PK\x03\x04 a zip file", "it does not start as a .npy array does");
    assert_fault("npy", b"\x93NUMPY\x04\x00\x00\x00", "version 4.0 of the NPY format is unknown");
    assert_fault("npy", b"\x93NUMPY\x01\x01\x00\x00", "version 1.1 of the NPY format is unknown");
}

#[test]
fn npy_header_lengths_that_lie() {
    assert_fault("npy", b"\x93NUMPY\x01\x00\xff\xff{}", "the data ends before its time");
    assert_fault("npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", "it claims a header of 4294967295 bytes");
    assert_fault("npy", b"\x93NUMPY\x03\x00\x02\x00\x00\x00\xff\xff", "its header is not UTF-8");
}

#[test]
fn npy_shapes_that_lie() {
    assert_fault("npy", &npy("<f4", "(3,)", &[0; 11]), "shape [3] of f32 needs 12 bytes, 11 are there");
    assert_fault("npy", &npy("<f4", "(3,)", &[0; 13]), "1 bytes follow the array; one .npy holds one array");
    assert_fault("npy", &npy("|u1", "(1099511627776,)", &[]), "needs 1099511627776 bytes, 0 are there");
    let uncountable = npy("<f4", "(4294967296, 4294967296, 4294967296)", &[]);
    assert_fault("npy", &uncountable, "has more elements than can be counted");
    // The elements can be counted, their bytes cannot.
    assert_fault("npy", &npy("<f8", "(4611686018427387904,)", &[]), "more elements than can be counted");
    let deep = format!("({})", "1,".repeat(65));
    assert_fault("npy", &npy("|u1", &deep, &[0]), "65 dimensions; at most 64 are read");
    let reason = "its header is not what numpy writes: {'descr': '<f4'}";
    assert_fault("npy", &npy_with("{'descr': '<f4'}", &[]), reason);
}

#[test]
fn zero_sized_tensors_are_named() {
    assert_fault("npy", &npy("<f4", "(0, 18446744073709551615)", &[]), "holds no value; leave it out");
    let error = error_at(&fixture("empty.npy"));
    assert!(
        matches!(&error, TensorError::Empty { tensor, shape, .. } if tensor == "empty" && shape == &[0, 3])
    );
}

#[test]
fn a_tensor_beyond_the_limit_says_to_split_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.npy");
    let header = npy("|u1", &format!("({},)", MAX_VALUES + 1), &[]);
    fs::write(&path, &header).unwrap();
    // Sparse: it takes no room on the disk.
    File::options().write(true).open(&path).unwrap().set_len((header.len() + MAX_VALUES + 1) as u64).unwrap();
    let message = error_at(&path).to_string();
    assert!(message.contains("split it into batches `large.0`, `large.1`"), "{message}");
}

#[test]
fn safetensors_header_lengths_that_lie() {
    assert_fault("safetensors", &[0; 7], "the data ends before its time");
    assert_fault("safetensors", &[0xff; 16], "it claims a header of 18446744073709551615 bytes, 8 are there");
    let mut bytes = safetensors("{}", &[]);
    bytes[0] = 3;
    assert_fault("safetensors", &bytes, "it claims a header of 3 bytes, 2 are there");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.safetensors");
    fs::write(&path, ((1_u64 << 24) + 1).to_le_bytes()).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(1 << 25).unwrap();
    assert!(error_at(&path).to_string().contains("its header has 16777217 bytes; at most 16777216 are read"));
}

#[test]
fn safetensors_headers_that_do_not_parse() {
    for header in ["", "[]", "{", "nonsense", "\u{0}", r#"{"a": {}}"#, r#"{"a": 5}"#, &"[".repeat(100_000)] {
        assert_fault("safetensors", &safetensors(header, &[]), "its header does not parse");
    }
    let tensor = |dtype: &str, shape: &str, end: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let faulty =
        |header: &str, expected: &str| assert_fault("safetensors", &safetensors(header, &[0; 8]), expected);
    faulty(&tensor("F7", "[2]", "8"), "tensor `a`: unknown variant `F7`");
    faulty(&tensor("F32", "[-2]", "8"), "tensor `a`: invalid value: integer `-2`");
    faulty(&tensor("F32", "[2.0]", "8"), "tensor `a`: invalid type: floating point");
    faulty(&tensor("F32", "[99999999999999999999]", "8"), "tensor `a`: invalid type: floating point");
    faulty(&tensor("\\u001b[31m", "[2]", "8"), "unknown variant `\u{fffd}[31m`");
}

#[test]
fn safetensors_shapes_and_offsets_that_lie() {
    let tensor = |name: &str, shape: &str, start: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":{shape},"data_offsets":[{start},{end}]}}"#)
    };
    let faulty = |tensors: &[String], expected: &str| {
        assert_fault("safetensors", &safetensors(&format!("{{{}}}", tensors.join(",")), &[0; 8]), expected);
    };
    let (a, b) = (tensor("a", "[1]", 0, 4), tensor("b", "[1]", 4, 8));
    faulty(&[a.clone(), a.clone()], "tensor `a` occurs twice");
    faulty(&[tensor("a", "[3]", 0, 8)], "tensor `a`: shape [3] of f32 does not fill its bytes, 0 to 8");
    faulty(&[tensor("a", "[2]", 8, 0)], "tensor `a`: shape [2] of f32 does not fill its bytes, 8 to 0");
    faulty(&[tensor("a", "[4294967296,4294967296,4294967296]", 0, 8)], "more elements than can be counted");
    faulty(&[tensor("a", "[4611686018427387905]", 0, 4)], "tensor `a`: shape");
    faulty(&[a.clone(), tensor("b", "[1]", 0, 4)], "invalid offset");
    faulty(&[tensor("a", "[1]", 2, 6)], "invalid offset for tensor `a`");
    faulty(std::slice::from_ref(&a), "its header describes 4 bytes of elements, 8 are there");
    faulty(
        &[a.clone(), b, tensor("c", "[1]", 8, 12)],
        "its header describes 12 bytes of elements, 8 are there",
    );
    let far = u64::MAX - 3;
    faulty(&[tensor("a", "[0]", far, far)], "invalid offset for tensor `a`");
    faulty(&[tensor("", "[2]", 0, 8)], "a tensor's name of 0 bytes; it must have 1 to 4096");
    faulty(&[tensor("a\\n", "[2]", 0, 8)], "and no control characters");
    faulty(&[tensor(&"a".repeat(5000), "[2]", 0, 8)], "a tensor's name of 5000 bytes");
    let deep = format!("[{}1]", "1,".repeat(64));
    faulty(&[tensor("a", &deep, 0, 4)], "tensor `a`: 65 dimensions; at most 64 are read");
}

#[test]
fn npz_members_that_are_no_arrays() {
    let good = npy("<f4", "(1,)", &[0; 4]);
    assert_fault("npz", b"", "invalid Zip archive");
    assert_fault("npz", &good, "invalid Zip archive");
    assert_fault("npz", &stored(&[("notes.txt", b"hello")]), "tensor `notes.txt`: it is no .npy file");
    assert_fault("npz", &stored(&[("a.npy", b"not an array")]), "tensor `a`: it does not start as a .npy");
    assert_fault(
        "npz",
        &stored(&[("a.npy", &good[..good.len() - 1])]),
        "tensor `a`: shape [1] of f32 needs 4",
    );
    assert_fault("npz", &stored(&[(".npy", &good)]), "a tensor's name of 0 bytes");
    // Folders hold nothing; members in them are named by their path.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("folders.npz");
    fs::write(&path, stored(&[("layer/", b""), ("layer/a.npy", &good)])).unwrap();
    assert_eq!(TensorFile::open(&path).unwrap().read("layer/a").unwrap().values, [0.0]);
}

/// Where `needle` occurs for the `n`-th time.
fn find(bytes: &[u8], needle: &[u8], n: usize) -> usize {
    bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle).nth(n).unwrap().0
}

/// Offset of the only entry of the zip's directory.
fn directory(bytes: &[u8]) -> usize {
    find(bytes, b"PK\x01\x02", 0)
}

#[test]
fn npz_members_with_the_same_name() {
    let good = npy("<f4", "(1,)", &[0; 4]);
    let mut bytes = stored(&[("a.npy", &good), ("b.npy", &good)]);
    // Before the member, and in the directory.
    for at in [find(&bytes, b"b.npy", 0), find(&bytes, b"b.npy", 1)] {
        bytes[at] = b'a';
    }
    assert_fault("npz", &bytes, "two of its members have the same name");
}

#[test]
fn npz_members_that_are_packed_otherwise() {
    let mut bytes = stored(&[("a.npy", &npy("<f4", "(1,)", &[0; 4]))]);
    let at = directory(&bytes);
    bytes[at + 10] = 12;
    assert_fault("npz", &bytes, "tensor `a`: it is neither stored nor deflated; use numpy.savez_compressed");
    bytes[at + 10] = 0;
    bytes[at + 8] |= 1;
    assert_fault("npz", &bytes, "tensor `a`: unsupported Zip archive: Password required");
}

#[test]
fn npz_sizes_that_lie() {
    // A bomb: little data, a directory and an array header that agree on nearly 4 GiB.
    let size = 0xffff_0000_u32;
    let header = npy("|u1", "(1234567890,)", &[]).len() as u32;
    let array = npy("|u1", &format!("({},)", size - header), &[0; 1000]);
    let mut bytes = zip(&[("a.npy", &array)], CompressionMethod::Deflated);
    let at = directory(&bytes);
    bytes[at + 24..at + 28].copy_from_slice(&size.to_le_bytes());
    assert_fault("npz", &bytes, "tensor `a`: it claims 4294901760 bytes packed into");
    // Small enough for deflate: found when the data ends.
    let size = 50_000_u32;
    let array = npy("|u1", &format!("({:010},)", size - header), &[0; 1000]);
    let mut bytes = zip(&[("a.npy", &array)], CompressionMethod::Deflated);
    let at = directory(&bytes);
    bytes[at + 24..at + 28].copy_from_slice(&size.to_le_bytes());
    assert_fault("npz", &bytes, "tensor `a`: the data ends before its time");
    // Packed data beyond the file.
    let mut bytes = stored(&[("a.npy", &npy("<f4", "(1,)", &[0; 4]))]);
    let at = directory(&bytes);
    bytes[at + 20..at + 28].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    assert_fault("npz", &bytes, "tensor `a`: it claims 16777216 bytes packed into 16777216, in a file of");
}

#[test]
fn npz_data_that_was_changed_does_not_match_its_checksum() {
    let mut bytes = stored(&[("a.npy", &npy("<f4", "(1,)", b"data"))]);
    let at = find(&bytes, b"data", 0);
    bytes[at] ^= 1;
    assert_fault("npz", &bytes, "tensor `a`: Invalid checksum; write the file again");
}
