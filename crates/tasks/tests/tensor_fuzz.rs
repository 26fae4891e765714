//! Random bytes, and valid files with random changes: no panic, and no memory for what is not there.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::env;
use std::fs;
use std::path::Path;

use calibench_tasks::tensors::{TensorError, TensorFile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

use common::fixture;

const EXTENSIONS: [&str; 3] = ["safetensors", "npy", "npz"];

const VALID: [&str; 12] = [
    "dtypes.safetensors",
    "count.npy",
    "fortran.npy",
    "f64_big_endian.npy",
    "version2.npy",
    "version3.npy",
    "scalar.npy",
    "empty.npy",
    "record.npy",
    "object.npy",
    "stored.npz",
    "deflated.npz",
];

/// Opens, groups and reads everything. The files are small, so memory that cannot be had was never needed.
fn use_all(path: &Path) -> Result<(), TestCaseError> {
    let memory = |error: &TensorError| match error {
        TensorError::Io { source, .. } => source.kind() == std::io::ErrorKind::OutOfMemory,
        _ => false,
    };
    let mut file = match TensorFile::open(path) {
        Ok(file) => file,
        Err(error) => {
            prop_assert!(!memory(&error), "{error}");
            return Ok(());
        }
    };
    let infos: Vec<_> = file.tensors().cloned().collect();
    for info in &infos {
        match file.read(&info.name) {
            Ok(tensor) => prop_assert_eq!(tensor.values.len(), info.elements()),
            Err(error) => prop_assert!(!memory(&error), "{error}"),
        }
    }
    for prefix in [None, Some("a"), Some("zebra")] {
        if let Ok(cases) = file.cases(prefix) {
            let batches: usize = cases.iter().map(|case| case.batches.len()).sum();
            prop_assert!(!cases.is_empty() && batches <= infos.len());
        }
    }
    Ok(())
}

fn use_bytes(extension: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    thread_local!(static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap());
    let path = FOLDER.with(|folder| folder.path().join(format!("random.{extension}")));
    fs::write(&path, bytes).unwrap();
    let used = use_all(&path);
    // Some filesystems flush a file that is truncated, not one that is new.
    fs::remove_file(path).unwrap();
    used
}

/// A change to a file. Bytes are set to what breaks parsers more often than to anything.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    /// Digits, which make a number absurd where one stands.
    Inflate(Index, usize),
    Remove(Index),
    Truncate(Index),
    Append(Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![3 => select(&b"\x00\x01\x7f\x80\xff019-,:'\"()[]{}L"[..]), 1 => any::<u8>()];
    prop_oneof![
        8 => (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (any::<Index>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => (any::<Index>(), 5_usize..12).prop_map(|(at, digits)| Change::Inflate(at, digits)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Truncate),
        1 => vec(any::<u8>(), 1..32).prop_map(Change::Append),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let within = bytes.len().max(1);
        match self {
            Self::Append(more) => bytes.extend(more),
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Inflate(at, digits) => {
                // In place of spaces: the header keeps its length.
                let numbers: Vec<usize> =
                    bytes.iter().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
                if numbers.is_empty() {
                    return;
                }
                let number = numbers[at.index(numbers.len())];
                let space = bytes[number..].windows(*digits).position(|w| w.iter().all(|b| *b == b' '));
                if let Some(space) = space {
                    bytes.drain(number + space..number + space + digits);
                }
                bytes.splice(number..number, std::iter::repeat_n(b'9', *digits));
            }
            Self::Truncate(at) => bytes.truncate(at.index(within)),
            _ if bytes.is_empty() => {}
            Self::Set(at, byte) => bytes[at.index(within)] = *byte,
            Self::Remove(at) => drop(bytes.remove(at.index(within))),
        }
    }
}

/// The properties, in a process whose data may take 64 MiB where the system can limit it.
#[cfg(unix)]
#[test]
fn in_bounded_memory() {
    let tests = env::current_exe().unwrap();
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -d 65536 && exec \"$0\" --ignored --test-threads=1"])
        .arg(tests)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&limited.stdout) + String::from_utf8_lossy(&limited.stderr);
    assert!(limited.status.success(), "{output}");
    assert!(output.contains("3 passed"), "{output}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0),
        ..ProptestConfig::default()
    })]

    #[test]
    #[cfg_attr(unix, ignore = "run by in_bounded_memory")]
    fn random_bytes(extension in select(&EXTENSIONS[..]), bytes in vec(any::<u8>(), 0..200)) {
        use_bytes(extension, &bytes)?;
    }

    #[test]
    #[cfg_attr(unix, ignore = "run by in_bounded_memory")]
    fn random_text_behind_a_valid_start(version in 1_u8..4, text in "[{}()\\[\\]'\",:<>|a-z0-9 L]{0,80}") {
        let length = text.len() as u32;
        let length = if version == 1 { (length as u16).to_le_bytes().to_vec() } else { length.to_le_bytes().to_vec() };
        let npy = [&b"\x93NUMPY"[..], &[version, 0], &length, text.as_bytes()].concat();
        use_bytes("npy", &npy)?;
        use_bytes("safetensors", &common::safetensors(&text, &[0; 8]))?;
        use_bytes("npz", &common::stored(&[("a.npy", &npy)]))?;
    }

    #[test]
    #[cfg_attr(unix, ignore = "run by in_bounded_memory")]
    fn valid_files_with_changes(name in select(&VALID[..]), changes in vec(change(), 1..6)) {
        let mut bytes = fs::read(fixture(name)).unwrap();
        for change in &changes {
            change.apply(&mut bytes);
        }
        let (_, extension) = name.rsplit_once('.').unwrap();
        use_bytes(extension, &bytes)?;
    }
}
