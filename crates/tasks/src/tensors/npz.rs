//! The NPZ format: a zip of .npy files, stored or deflated.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};

use zip::{CompressionMethod, ZipArchive};

use super::dtype::{Values, read_values};
use super::error::Fault;
use super::{Entry, TensorInfo, npy};

/// Deflate cannot expand a byte to more than this many.
pub(crate) const DEFLATE_RATIO: u64 = 1032;

pub(super) type Archive = ZipArchive<BufReader<File>>;

/// Reads the directory, and the header of every member.
pub(super) fn open(file: File, len: u64) -> Result<(Archive, BTreeMap<String, Entry>), Fault> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(io::Error::from)?;
    if archive.has_duplicate_names() {
        return Err(Fault::malformed("two of its members have the same name"));
    }
    let mut entries = BTreeMap::new();
    for member in 0..archive.len() {
        let Some(name) = tensor_name(&archive, member)? else { continue };
        let entry = list(&mut archive, member, &name, len).map_err(|fault| fault.in_tensor(&name))?;
        if entries.insert(name, entry).is_some() {
            return Err(Fault::malformed("two of its members have the same name"));
        }
    }
    Ok((archive, entries))
}

/// The member's name without `.npy`; `None` for a folder.
fn tensor_name(archive: &Archive, member: usize) -> Result<Option<String>, Fault> {
    let data = archive.by_index_data(member).map_err(io::Error::from)?;
    let file_name = data.name().map_err(io::Error::from)?;
    if data.is_dir() {
        return Ok(None);
    }
    let name = file_name.strip_suffix(".npy").map(str::to_owned);
    let other = || Fault::malformed("it is no .npy file, and a .npz holds no other").in_tensor(&file_name);
    name.ok_or_else(other).map(Some)
}

fn list(archive: &mut Archive, member: usize, name: &str, len: u64) -> Result<Entry, Fault> {
    let data = archive.by_index_data(member).map_err(io::Error::from)?;
    let (packed, size) = (data.compressed_size(), data.size());
    let possible = match data.compression() {
        CompressionMethod::Stored => packed == size,
        CompressionMethod::Deflated => size / DEFLATE_RATIO <= packed,
        _ => return Err(Fault::malformed("it is neither stored nor deflated; use numpy.savez_compressed")),
    };
    if !possible || packed > len {
        let reason = format!("it claims {size} bytes packed into {packed}, in a file of {len} bytes");
        return Err(Fault::malformed(reason));
    }
    let mut array = archive.by_index(member).map_err(io::Error::from)?;
    let header = npy::read_header(&mut array, size)?;
    let info = TensorInfo::new(name.to_owned(), header.dtype, header.shape)?;
    let (big_endian, fortran) = (header.big_endian, header.fortran);
    Ok(Entry { info, big_endian, fortran, member, data_at: header.data_at })
}

/// Reads a member's elements, and checks its sum.
pub(super) fn read(archive: &mut Archive, entry: &Entry) -> Result<Values, Fault> {
    let mut array = archive.by_index(entry.member).map_err(io::Error::from)?;
    io::copy(&mut array.by_ref().take(entry.data_at), &mut io::sink())?;
    let values = read_values(&mut array, &entry.info.dtype, entry.big_endian, entry.info.elements())?;
    // The sum is compared when the end is reached.
    if array.read(&mut [0])? != 0 {
        return Err(Fault::malformed("data follows its elements"));
    }
    Ok(values)
}
