//! A folder with one folder of images per class, or of images without classes.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::pixels::{self, Pixels};
use super::source::{ArrayInfo, Elements, Kind, Source};
use super::{DataError, DataSpec, InputSignature};
use crate::tensors::MAX_VALUES;

/// Largest file of an image, in bytes: more than the largest image that is read takes up.
const LARGEST_FILE: u64 = 1 << 27;

/// Two arrays: `images`, and `labels` with the names of the classes where there are any.
///
/// Classes are in the order of their folders' names, images in the order of their names, one of each class in turn,
/// so that the first of them hold all classes.
pub(super) struct Folder {
    path: PathBuf,
    files: Vec<Image>,
    /// Names of the classes; none for images without.
    classes: Vec<String>,
    /// Of every image.
    size: [usize; 2],
    channels: usize,
    channels_last: bool,
    resize: bool,
}

/// Files and folders in a folder, sorted, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The images in a folder that holds nothing else.
fn images_in(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let files = entries(folder)?;
    for file in &files {
        let extension = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if file.is_dir() || !matches!(&*extension, "png" | "jpg" | "jpeg") {
            let reason = "a folder of images holds .png, .jpg and .jpeg files only; move this elsewhere";
            return Err(DataError::malformed(file, reason));
        }
    }
    if files.is_empty() {
        return Err(DataError::malformed(folder, "it holds no image; remove it, or add .png or .jpg files"));
    }
    Ok(files)
}

/// A file, and the index of its class.
type Image = (PathBuf, usize);

/// One of each class in turn, and the names of the classes.
fn files_by_class(path: &Path) -> Result<(Vec<Image>, Vec<String>), DataError> {
    let inside = entries(path)?;
    if !inside.first().is_some_and(|first| first.is_dir()) {
        return Ok((images_in(path)?.into_iter().map(|file| (file, 0)).collect(), Vec::new()));
    }
    let (mut classes, mut names) = (Vec::new(), Vec::new());
    for folder in inside {
        if !folder.is_dir() {
            let reason = "it lies beside folders of classes; move it into one, or elsewhere";
            return Err(DataError::malformed(&folder, reason));
        }
        classes.push(images_in(&folder)?);
        names.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
    }
    let longest = classes.iter().map(Vec::len).max().unwrap_or(0);
    let turn = |place: usize| {
        let nth = move |(class, files): (usize, &Vec<PathBuf>)| Some((files.get(place)?.clone(), class));
        classes.iter().enumerate().filter_map(nth).collect::<Vec<_>>()
    };
    Ok(((0..longest).flat_map(turn).collect(), names))
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, DataError> {
    let len = file.metadata().map_err(DataError::io(file))?.len();
    if len > LARGEST_FILE {
        return Err(DataError::malformed(file, format!("{len} bytes; at most {LARGEST_FILE} are read")));
    }
    fs::read(file).map_err(DataError::io(file))
}

impl Folder {
    pub(super) fn open(
        path: &Path,
        spec: &DataSpec,
        signature: &[InputSignature],
    ) -> Result<Self, DataError> {
        let (files, classes) = files_by_class(path)?;
        let first = &files[0].0;
        let [height, width, channels] = pixels::size(first, &bytes_of(first)?)?;
        // What the model takes decides between grey and colour, and where the channels are.
        let (channels, channels_last) = match signature {
            [InputSignature { shape, .. }] => match shape[..] {
                [Some(channels @ (1 | 3)), _, _] => (channels, false),
                [_, _, Some(channels @ (1 | 3))] => (channels, true),
                [_, _] => (1, false),
                _ => (channels, false),
            },
            _ => (channels, false),
        };
        let size = spec.resize.unwrap_or([height, width]);
        let resize = spec.resize.is_some();
        Ok(Self { path: path.to_owned(), files, classes, size, channels, channels_last, resize })
    }

    fn pixels(&self, file: &Path) -> Result<Pixels, DataError> {
        let bytes = bytes_of(file)?;
        if self.resize {
            return Ok(pixels::decode(file, &bytes)?.resized(self.size).with_channels(self.channels));
        }
        // Before decoding, so that a wrong size takes no memory.
        let [height, width, _] = pixels::size(file, &bytes)?;
        if [height, width] != self.size {
            let first = self.files[0].0.display();
            let [first_height, first_width] = self.size;
            let reason = format!(
                "it has {height} x {width} pixels, {first} has {first_height} x {first_width}; \
                 give all images one size, or set `resize`"
            );
            return Err(DataError::malformed(file, reason));
        }
        Ok(pixels::decode(file, &bytes)?.with_channels(self.channels))
    }
}

impl Source for Folder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn list(&self) -> Vec<ArrayInfo> {
        let [height, width] = self.size;
        let (count, channels) = (self.files.len(), self.channels);
        let shape = match self.channels_last {
            true => vec![count, height, width, channels],
            false => vec![count, channels, height, width],
        };
        let info = |name: &str, shape, kind| ArrayInfo { name: name.to_owned(), shape, kind, column: false };
        let mut arrays = vec![info("images", shape, Kind::Whole)];
        if !self.classes.is_empty() {
            arrays.push(info("labels", vec![count], Kind::Text));
        }
        arrays
    }

    fn read(&mut self, name: &str, rows: &Range<usize>) -> Result<Elements, DataError> {
        let files = &self.files[rows.clone()];
        if name == "labels" {
            return Ok(Elements::Text(files.iter().map(|(_, class)| self.classes[*class].clone()).collect()));
        }
        let plane = self.size[0] * self.size[1];
        let sample = plane * self.channels;
        if files.len() > MAX_VALUES / sample {
            let reason = format!(
                "{} images of {sample} values are more than the {MAX_VALUES} that are read; set `limit`",
                files.len()
            );
            return Err(DataError::malformed(&self.path, reason));
        }
        let mut values = Vec::with_capacity(files.len() * sample);
        for (file, _) in files {
            let Pixels { data, .. } = self.pixels(file)?;
            if self.channels_last {
                values.extend(data.iter().map(|v| f32::from(*v)));
                continue;
            }
            for channel in 0..self.channels {
                values.extend(data.iter().skip(channel).step_by(self.channels).map(|v| f32::from(*v)));
            }
        }
        Ok(Elements::Numbers(values))
    }
}
