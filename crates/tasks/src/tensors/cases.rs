//! Tensors to cases: `NAME.0`, `NAME.1`, … are the successive batches of `NAME`.

use std::collections::BTreeMap;

use super::{Source, TensorError, TensorFile, TensorInfo, unknown};

/// One thing to calibrate: its batches, in the order in which they are to be observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The name that its tensors share.
    pub name: String,
    /// At least one tensor; to be read with [`TensorFile::read`].
    pub batches: Vec<TensorInfo>,
}

/// A tensor with the number at the end of its name.
type Batch<'f> = (Option<u64>, &'f TensorInfo);

impl TensorFile {
    /// Groups the tensors into cases, in the order of their names.
    ///
    /// Tensors `NAME.0`, `NAME.1`, … are the batches of case `NAME`, in the order of their numbers (10 after 9;
    /// `NAME.09` is 9 too). Any other tensor is a case of one batch, and so is the tensor of a .npy file,
    /// whatever its name. With a `prefix`, only the cases whose name starts with it are looked at: what is
    /// wrong with others is no error.
    ///
    /// # Errors
    /// [`TensorError::NoTensor`]; [`TensorError::Unknown`] when no name starts with the prefix;
    /// [`TensorError::MissingBatch`] unless the numbers go from 0 without gaps; [`TensorError::Ambiguous`];
    /// [`TensorError::BatchShape`] unless a case's batches agree in all dimensions but the first;
    /// [`TensorError::Dtype`], [`TensorError::Empty`] and [`TensorError::TooLarge`] for a tensor that
    /// [`TensorFile::read`] refuses.
    pub fn cases(&self, prefix: Option<&str>) -> Result<Vec<Case>, TensorError> {
        let mut grouped: BTreeMap<&str, Vec<Batch<'_>>> = BTreeMap::new();
        for info in self.tensors() {
            let whole = matches!(self.source, Source::Npy(_));
            let (case, number) = if whole { (&*info.name, None) } else { split(&info.name) };
            grouped.entry(case).or_default().push((number, info));
        }
        if grouped.is_empty() {
            return Err(TensorError::NoTensor { path: self.path.clone() });
        }
        let wanted = prefix.unwrap_or_default();
        if !grouped.keys().any(|case| case.starts_with(wanted)) {
            return Err(unknown(&self.path, "case starts with", wanted, grouped.keys().copied()));
        }
        let selected = grouped.into_iter().filter(|(case, _)| case.starts_with(wanted));
        selected.map(|(case, batches)| self.case(case, batches)).collect()
    }

    fn case(&self, case: &str, mut batches: Vec<Batch<'_>>) -> Result<Case, TensorError> {
        let path = || self.path.clone();
        batches.sort_by_key(|(number, _)| *number);
        for pair in batches.windows(2) {
            let [(first_number, first), (number, second)] = pair else { continue };
            if first_number.is_none() || first_number == number {
                let what = match first_number {
                    Some(number) => format!("batch {number} of case `{case}`"),
                    None => format!("case `{case}`"),
                };
                let (first, second) = (first.name.clone(), second.name.clone());
                return Err(TensorError::Ambiguous { path: path(), first, second, what });
            }
        }
        for (missing, (number, info)) in (0..).zip(&batches) {
            if number.is_some_and(|number| number != missing) {
                let (case, next) = (case.to_owned(), info.name.clone());
                return Err(TensorError::MissingBatch { path: path(), case, missing, next });
            }
        }
        let batches: Vec<TensorInfo> = batches.into_iter().map(|(_, info)| info.clone()).collect();
        for info in &batches {
            self.check_readable(info)?;
            if info.shape.get(1..) != batches[0].shape.get(1..) {
                return Err(TensorError::BatchShape {
                    path: path(),
                    first: batches[0].name.clone(),
                    first_shape: batches[0].shape.clone(),
                    other: info.name.clone(),
                    other_shape: info.shape.clone(),
                });
            }
        }
        Ok(Case { name: case.to_owned(), batches })
    }
}

/// `NAME.7` → `NAME`, 7. A number beyond 64 bits numbers nothing.
fn split(name: &str) -> (&str, Option<u64>) {
    name.rsplit_once('.')
        .filter(|(case, digits)| !case.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|(case, digits)| Some((case, Some(digits.parse().ok()?))))
        .unwrap_or((name, None))
}
