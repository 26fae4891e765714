//! Data frames to and from Parquet bytes, with every decoder failure turned into an error.

use std::any::Any;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::{
    DataFrame, KeyValueMetadata, ParquetCompression, ParquetReader, ParquetWriter, SerReader,
};

use crate::error::StoreError;
use crate::seal::{self, Seal};

/// Encodes a frame, sealed: zstd, one thread, no timestamps, so the same frame gives the same bytes.
///
/// # Errors
///
/// [`StoreError::Encode`] with `origin` as the path.
pub(crate) fn encode(mut frame: DataFrame, origin: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(None))
        .set_parallel(false)
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(vec![(
            seal::KEY.to_owned(),
            seal::BLANK.to_owned(),
        )])))
        .finish(&mut frame)
        .map_err(|error| StoreError::Encode { path: origin.to_path_buf(), detail: error.to_string() })?;
    seal::seal(&mut bytes);
    Ok(bytes)
}

/// Decodes a frame, after checking its seal; one without a seal is decoded on trust.
///
/// The decoder panics on some damaged files and on types that this build leaves out; a damaged result file is
/// an everyday event after a crash, so its panic becomes an error here.
///
/// # Errors
///
/// [`StoreError::Corrupt`] with `origin` as the path.
pub(crate) fn decode(bytes: &[u8], origin: &Path) -> Result<DataFrame, StoreError> {
    let corrupt = |detail: String| StoreError::Corrupt { path: origin.to_path_buf(), detail };
    // Every Parquet file starts and ends with this mark: most truncated files are refused before decoding.
    if bytes.len() < 12 || !bytes.starts_with(b"PAR1") || !bytes.ends_with(b"PAR1") {
        return Err(corrupt(format!("{} bytes without the Parquet marks", bytes.len())));
    }
    if seal::check(bytes) == Seal::Broken {
        return Err(corrupt("its checksum does not match".to_owned()));
    }
    let owned = bytes.to_vec();
    let decoded =
        catch_unwind(AssertUnwindSafe(|| ParquetReader::new(Cursor::new(owned)).set_rechunk(true).finish()));
    match decoded {
        Ok(Ok(frame)) => Ok(frame),
        Ok(Err(error)) => Err(corrupt(error.to_string())),
        Err(panic) => Err(corrupt(panic_text(panic.as_ref()))),
    }
}

/// Decodes a frame that was written here, so that a damaged byte anywhere is an error.
///
/// # Errors
///
/// [`StoreError::Corrupt`] with `origin` as the path.
pub(crate) fn decode_sealed(bytes: &[u8], origin: &Path) -> Result<DataFrame, StoreError> {
    if seal::check(bytes) == Seal::Absent {
        let detail = "no calibench checksum in it".to_owned();
        return Err(StoreError::Corrupt { path: origin.to_path_buf(), detail });
    }
    decode(bytes, origin)
}

/// What a panic said, on one line.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the decoder stopped");
    text.lines().next().unwrap_or_default().to_owned()
}
