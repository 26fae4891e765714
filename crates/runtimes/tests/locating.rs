//! Where libraries are looked for, in environments made up for it.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

use std::fs;
use std::path::Path;

use calibench_runtimes::{ALL, LoadOptions, Model, Runtime, RuntimeError, Surroundings};

fn runtime(id: &str) -> Box<dyn Runtime> {
    (calibench_quant::find(ALL, "runtime", id).unwrap().construct)()
}

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "not a library").unwrap();
}

/// A Python environment with a wheel of the runtime, as pip lays it out.
fn wheel(prefix: &Path, runtime: &dyn Runtime, version: &str) -> std::path::PathBuf {
    let library = runtime.library();
    let site = prefix.join("lib/python3.11/site-packages");
    let file = site.join(library.package_folder).join(library.file_name());
    touch(&file);
    touch(&site.join(library.package_folder).join("libother.so"));
    touch(&site.join(format!("{}-{version}.dist-info", library.package)).join("METADATA"));
    touch(&site.join(format!("{}_extra-9.9.dist-info", library.package)).join("METADATA"));
    file
}

#[test]
fn the_registry_is_documented_and_its_names_are_unique() {
    for entry in ALL {
        assert!(!entry.summary.is_empty() && entry.source.contains("https://"), "{}", entry.id);
        assert_eq!(ALL.iter().filter(|other| other.id == entry.id).count(), 1, "{}", entry.id);
        let library = (entry.construct)().library();
        assert!(!library.variables.is_empty() && !library.folders.is_empty(), "{}", entry.id);
    }
}

#[test]
fn a_missing_runtime_says_what_was_looked_for_and_how_to_provide_it() {
    let empty = tempfile::tempdir().unwrap();
    let surroundings =
        [("VIRTUAL_ENV", empty.path().to_str().unwrap()), ("PATH", ""), ("ORT_DYLIB_PATH", "")];
    let error = runtime("onnxruntime").locate_in(&surroundings.into_iter().collect()).unwrap_err();
    let expected = format!(
        "ONNX Runtime was not found; looked at ORT_DYLIB_PATH (not set), VIRTUAL_ENV ({} without onnxruntime), \
         CONDA_PREFIX (not set), {} (PATH is not set). Run `pip install onnxruntime` in the active environment, or \
         set ORT_DYLIB_PATH to the path of {}",
        empty.path().display(),
        if cfg!(windows) { "python" } else { "python3" },
        runtime("onnxruntime").library().file_name(),
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.is_absence());
}

#[test]
fn a_wheel_of_the_active_environment_is_found_with_its_version() {
    for (id, version) in [("onnxruntime", "1.99.2"), ("openvino", "2031.4.0")] {
        let (runtime, folder) = (runtime(id), tempfile::tempdir().unwrap());
        let file = wheel(folder.path(), &*runtime, version);
        for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
            let located = runtime.locate_in(&[(variable, folder.path())].into_iter().collect()).unwrap();
            assert_eq!((&located.path, located.through), (&file, variable));
            assert_eq!(located.version.as_deref(), Some(version));
        }
    }
}

#[test]
fn a_variable_decides_alone() {
    for entry in ALL {
        let (runtime, folder) = ((entry.construct)(), tempfile::tempdir().unwrap());
        wheel(folder.path(), &*runtime, "1.99.2");
        let own = folder.path().join("own").join(runtime.library().file_name());
        touch(&own);
        for &variable in runtime.library().variables {
            let located_at = |value: &Path| {
                runtime.locate_in(&[(variable, value), ("VIRTUAL_ENV", folder.path())].into_iter().collect())
            };
            for value in [own.as_path(), own.parent().unwrap()] {
                let located = located_at(value).unwrap();
                assert_eq!((&located.path, located.version, located.through), (&own, None, variable));
            }
            let nowhere = folder.path().join("nowhere");
            let error = located_at(&nowhere).unwrap_err();
            let start = format!("{variable} is {}, where there is no ", nowhere.display());
            assert!(error.to_string().starts_with(&start), "{error}");
            assert!(error.is_absence());
        }
    }
}

#[test]
fn a_version_with_which_we_cannot_speak_is_refused_unopened() {
    for (id, version) in [
        ("onnxruntime", "1.21.1"),
        ("onnxruntime", "2.0.0"),
        ("openvino", "2025.0.0"),
        ("openvino", "2024.6.0"),
    ] {
        let (runtime, folder) = (runtime(id), tempfile::tempdir().unwrap());
        wheel(folder.path(), &*runtime, version);
        let error = runtime.locate_in(&[("VIRTUAL_ENV", folder.path())].into_iter().collect()).unwrap_err();
        assert!(matches!(error, RuntimeError::Version { .. }), "{error}");
        assert!(error.to_string().contains(version) && error.is_absence(), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_name_behind_a_link_tells_the_version() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("libonnxruntime.so.1.23.4");
    let link = folder.path().join("libonnxruntime.so");
    touch(&real);
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let located =
        runtime("onnxruntime").locate_in(&[("ORT_DYLIB_PATH", &link)].into_iter().collect()).unwrap();
    assert_eq!((located.path, located.version.as_deref()), (link, Some("1.23.4")));
}

#[cfg(unix)]
mod python {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder for PATH whose `python3` is a shell script.
    fn python(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("python3");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn its_search_path_is_asked_last() {
        let (runtime, folder) = (runtime("onnxruntime"), tempfile::tempdir().unwrap());
        let file = wheel(folder.path(), &*runtime, "1.99.2");
        let site = folder.path().join("lib/python3.11/site-packages");
        let python = python(&format!("echo /nowhere; echo {}", site.display()));
        let located = runtime.locate_in(&[("PATH", python.path())].into_iter().collect()).unwrap();
        assert_eq!((located.path, located.through), (file, "python3"));
    }

    #[test]
    fn one_that_fails_is_named() {
        let python = python("exit 3");
        let error =
            runtime("openvino").locate_in(&[("PATH", python.path())].into_iter().collect()).unwrap_err();
        assert!(error.to_string().contains("python3 (ended with exit status: 3)"), "{error}");
    }
}

#[test]
fn a_file_that_is_no_library_cannot_be_opened() {
    for entry in ALL {
        let (runtime, folder) = ((entry.construct)(), tempfile::tempdir().unwrap());
        let file = folder.path().join(runtime.library().file_name());
        touch(&file);
        let surroundings: Surroundings = [(runtime.library().variables[0], &file)].into_iter().collect();
        let located = runtime.locate_in(&surroundings).unwrap();
        let options = LoadOptions { threads: std::num::NonZeroUsize::MIN };
        let error = runtime.load(&located, Model::Bytes(&[]), &options).err().expect("it is a text");
        assert!(matches!(error, RuntimeError::Open { .. }), "{error}");
        assert!(error.is_absence());
        let start = format!("cannot open {} at {}: ", runtime.library().runtime, file.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}
