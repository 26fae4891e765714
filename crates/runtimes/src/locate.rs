//! Where the library of a runtime is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::library::{Library, Located};
use crate::{RuntimeError, python};

/// The variables of active environments of Python, the nearer first.
const PREFIXES: &[&str] = &["VIRTUAL_ENV", "CONDA_PREFIX"];

/// The environment variables in which a library is looked for.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    pub(crate) variables: BTreeMap<OsString, OsString>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// A variable that is set, and not to nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Surroundings {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

/// Finds a library, in the order that the crate's documentation gives.
pub(crate) fn locate(library: &Library, surroundings: &Surroundings) -> Result<Located, RuntimeError> {
    let mut looked = Vec::new();
    for &variable in library.variables {
        let Some(value) = surroundings.get(variable) else {
            looked.push(format!("{variable} (not set)"));
            continue;
        };
        let path = PathBuf::from(value);
        let (runtime, file) = (library.runtime, library.file_name());
        return match named(library, &path) {
            Some(found) => located(library, found, None, variable),
            None => Err(RuntimeError::Variable { runtime, variable, path, file }),
        };
    }
    for &variable in PREFIXES {
        let Some(prefix) = surroundings.get(variable).map(Path::new) else {
            looked.push(format!("{variable} (not set)"));
            continue;
        };
        let sites = site_packages(prefix);
        if let Some((found, site)) = in_sites(library, &sites) {
            return located(library, found, Some(&site), variable);
        }
        looked.push(format!("{variable} ({} without {})", prefix.display(), library.package));
    }
    match python::search_path(surroundings) {
        Ok(sites) => match in_sites(library, &sites) {
            Some((found, site)) => return located(library, found, Some(&site), python::COMMAND),
            None => looked.push(format!("{} (its sys.path without {})", python::COMMAND, library.package)),
        },
        Err(reason) => looked.push(format!("{} ({reason})", python::COMMAND)),
    }
    Err(RuntimeError::NotFound {
        runtime: library.runtime,
        looked,
        package: library.package,
        variable: library.variables[0],
        file: library.file_name(),
    })
}

/// What a variable names: the library itself, or a folder with it.
fn named(library: &Library, path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    library.folders.iter().find_map(|folder| in_folder(library, &path.join(folder)))
}

/// The library in a folder; of several the last by name, which is the newest.
fn in_folder(library: &Library, folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| path.is_file() && name_of(path).is_some_and(|name| library.is_named(name))).max()
}

/// The library in the first of the folders of packages that has it, and that folder.
fn in_sites(library: &Library, sites: &[PathBuf]) -> Option<(PathBuf, PathBuf)> {
    sites.iter().find_map(|site| {
        let found = in_folder(library, &site.join(library.package_folder))?;
        Some((found, site.clone()))
    })
}

/// The folders of packages below the prefix of a Python environment.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(prefix.join("lib")).into_iter().flatten().filter_map(Result::ok);
    let versions = versions.map(|entry| entry.path());
    let mut sites: Vec<PathBuf> = versions
        .filter(|path| name_of(path).is_some_and(|name| name.starts_with("python3")))
        .map(|path| path.join("site-packages"))
        .collect();
    sites.sort();
    sites.push(prefix.join("Lib").join("site-packages"));
    sites
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(OsStr::to_str)
}

/// A found library with its version, when that is known and fits.
fn located(
    library: &Library,
    path: PathBuf,
    site: Option<&Path>,
    through: &'static str,
) -> Result<Located, RuntimeError> {
    let absolute = std::path::absolute(&path).unwrap_or(path);
    // Behind libonnxruntime.so is often libonnxruntime.so.1.22.0, which tells more.
    let real = fs::canonicalize(&absolute).unwrap_or_else(|_| absolute.clone());
    let version = site
        .and_then(|site| wheel_version(library, site))
        .or_else(|| name_of(&real).and_then(|name| library.version_in(name)));
    if let Some(version) = version.as_deref() {
        check_version(library, &absolute, version)?;
    }
    Ok(Located { path: absolute, version, through })
}

/// What the wheel's own record says: `onnxruntime-1.22.0.dist-info`.
fn wheel_version(library: &Library, site: &Path) -> Option<String> {
    let entries = fs::read_dir(site).ok()?.filter_map(Result::ok);
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.find_map(|name| {
        let version = name.strip_suffix(".dist-info")?.strip_prefix(library.package)?.strip_prefix('-')?;
        Some(version.to_owned())
    })
}

/// Refuses a version that does not fit; one that cannot be read is left to the library itself.
pub(crate) fn check_version(library: &Library, path: &Path, version: &str) -> Result<(), RuntimeError> {
    let mut parts = version.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (parts.next(), parts.next()) else { return Ok(()) };
    if (library.fits)(major, minor) {
        return Ok(());
    }
    Err(RuntimeError::Version {
        runtime: library.runtime,
        path: path.to_owned(),
        version: version.to_owned(),
        fitting: library.fitting,
        package: library.package,
    })
}
