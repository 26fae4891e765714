//! The shared library of a runtime: what it is called, and its one opening in a process.

use std::any::Any;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::RuntimeError;

/// What is looked for, and where.
#[derive(Debug)]
pub struct Library {
    /// The runtime's name in messages.
    pub runtime: &'static str,
    /// The library's name, without what the platform puts around it.
    pub stem: &'static str,
    /// The environment variables that name the library or a folder, the first decisive.
    pub variables: &'static [&'static str],
    /// The folders below that of a variable where the library may lie.
    pub folders: &'static [&'static str],
    /// The Python package that brings it.
    pub package: &'static str,
    /// The folder of the library in the package's site-packages.
    pub package_folder: &'static str,
    /// The versions with which we can speak, in words.
    pub fitting: &'static str,
    /// Whether we can speak with a major and minor version.
    pub fits: fn(u32, u32) -> bool,
}

impl Library {
    /// The library's file name on this platform, without a version: `libonnxruntime.so`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{DLL_PREFIX}{}{DLL_SUFFIX}", self.stem)
    }

    /// Whether a file name is that of the library, with or without a version: `libonnxruntime.so.1.22.0`,
    /// `libonnxruntime.1.22.0.dylib`.
    pub(crate) fn is_named(&self, file: &str) -> bool {
        let rest = file.strip_prefix(DLL_PREFIX).and_then(|f| f.strip_prefix(self.stem));
        rest.is_some_and(|rest| rest.starts_with('.') && rest.contains(DLL_SUFFIX))
    }

    /// The version in a file name; versions without a dot are those of an interface, not of the runtime.
    pub(crate) fn version_in(&self, file: &str) -> Option<String> {
        let rest = file.strip_prefix(DLL_PREFIX)?.strip_prefix(self.stem)?;
        let version = rest.replacen(DLL_SUFFIX, "", 1);
        let version = version.strip_prefix('.')?;
        (version.contains('.') && version.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| version.to_owned())
    }

    /// Opens the library, once in a process: the bindings keep what they opened, and keep failing when they failed.
    ///
    /// `open` gives the version. The bindings panic where a library is not what they expect; that too is an error here.
    pub(crate) fn open_once<'o>(
        &self,
        opening: &'o OnceLock<Opening>,
        located: &Located,
        open: impl FnOnce() -> Result<String, String>,
    ) -> Result<&'o str, RuntimeError> {
        let opening = opening.get_or_init(|| Opening {
            path: located.path.clone(),
            outcome: catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| Err(message(&*panic))),
        });
        if opening.path != located.path {
            let (opened, path) = (opening.path.clone(), located.path.clone());
            return Err(RuntimeError::Another { runtime: self.runtime, opened, path });
        }
        opening.outcome.as_deref().map_err(|reason| RuntimeError::Open {
            runtime: self.runtime,
            path: located.path.clone(),
            reason: reason.clone(),
        })
    }
}

/// The outcome of opening a library: its version, or why not.
pub(crate) struct Opening {
    path: PathBuf,
    outcome: Result<String, String>,
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it is not the library that its name says").to_owned()
}

/// A library that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The library, absolute.
    pub path: PathBuf,
    /// Its version, where the wheel or the file's name tells it. [`crate::Session::version`] always does.
    pub version: Option<String>,
    /// What led to it: a variable, or `python3`.
    pub through: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &Library = &Library {
        runtime: "Test Runtime",
        stem: "test",
        variables: &["TEST_PATH"],
        folders: &[""],
        package: "test",
        package_folder: "test",
        fitting: "any",
        fits: |_, _| true,
    };

    fn located(path: &str) -> Located {
        Located { path: PathBuf::from(path), version: None, through: "TEST_PATH" }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn file_names_are_recognised_with_and_without_a_version() {
        assert_eq!(LIBRARY.file_name(), "libtest.so");
        let named = ["libtest.so", "libtest.so.1.22.0", "libtest.so.2641"];
        assert!(named.iter().all(|file| LIBRARY.is_named(file)));
        let others = ["libtest_providers_shared.so", "test.so", "libtest.a", "libtest"];
        assert!(!others.iter().any(|file| LIBRARY.is_named(file)));
        assert_eq!(named.map(|file| LIBRARY.version_in(file)), [None, Some("1.22.0".to_owned()), None]);
    }

    #[test]
    fn the_first_opening_stands() {
        let opening = OnceLock::new();
        let version = LIBRARY.open_once(&opening, &located("/a"), || Ok("1.0".to_owned()));
        assert_eq!(version, Ok("1.0"));
        assert_eq!(LIBRARY.open_once(&opening, &located("/a"), || Err("no".to_owned())), Ok("1.0"));
        let other = LIBRARY.open_once(&opening, &located("/b"), || Ok("2.0".to_owned())).unwrap_err();
        assert_eq!(
            other.to_string(),
            "this process has opened Test Runtime at /a and cannot open /b as well; use another process"
        );
        assert!(!other.is_absence());
    }

    #[test]
    fn a_panic_of_the_bindings_is_an_error() {
        let opening = OnceLock::new();
        let error = LIBRARY.open_once(&opening, &located("/a"), || panic!("not {}", "loaded")).unwrap_err();
        assert_eq!(error.to_string(), "cannot open Test Runtime at /a: not loaded; install it again");
        assert!(error.is_absence());
    }
}
