//! Pixels of PNG and JPEG files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use zune_core::bit_depth::BitDepth;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_png::PngDecoder;

use super::DataError;

/// Most pixels a side.
pub(super) const LARGEST: usize = 4096;

/// An image of 8 bits a channel, row-major `[height, width, channels]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) height: usize,
    pub(super) width: usize,
    /// 1 for grey levels, 3 for red, green and blue.
    pub(super) channels: usize,
    pub(super) data: Vec<u8>,
}

/// Size and number of channels, as [`Pixels`]' fields, from the headers alone.
pub(super) fn size(path: &Path, bytes: &[u8]) -> Result<[usize; 3], DataError> {
    guarded(path, || match Decoder::open(bytes)? {
        Decoder::Png(png, [height, width]) => {
            let color = png.colorspace().ok_or("it has no colour type")?;
            Ok([height, width, if color.num_components() < 3 { 1 } else { 3 }])
        }
        Decoder::Jpeg(_, size, channels) => Ok([size[0], size[1], channels]),
    })
}

/// Decodes an image, with its checksums where it has any. A JPEG may differ from libjpeg's reading by a few levels,
/// as decoders do.
///
/// An alpha channel must be opaque, and is left out. Images of 16 bits a channel, CMYK and animations are refused.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Pixels, DataError> {
    guarded(path, || match Decoder::open(bytes)? {
        Decoder::Png(mut png, [height, width]) => {
            if png.depth() == Some(BitDepth::Sixteen) {
                return Err("it has 16 bits a channel; convert it to 8".to_owned());
            }
            if png.is_animated() {
                return Err("it is animated; keep one frame".to_owned());
            }
            let channels = png.colorspace().map_or(0, |c| c.num_components());
            let data = png.decode_raw().map_err(|e| format!("it does not decode: {e:?}"))?;
            opaque(Pixels { height, width, channels, data })
        }
        Decoder::Jpeg(mut jpeg, [height, width], channels) => {
            let data = jpeg.decode().map_err(|e| format!("it does not decode: {e:?}"))?;
            opaque(Pixels { height, width, channels, data })
        }
    })
}

/// Without the alpha channel, if there is one.
fn opaque(pixels: Pixels) -> Result<Pixels, String> {
    let Pixels { height, width, channels, data } = pixels;
    if !(1..=4).contains(&channels) || height.checked_mul(width * channels) != Some(data.len()) {
        return Err(format!("{} bytes for {height} x {width} pixels of {channels} channels", data.len()));
    }
    if matches!(channels, 1 | 3) {
        return Ok(Pixels { height, width, channels, data });
    }
    let colours = channels - 1;
    if data.chunks_exact(channels).any(|pixel| pixel[colours] != u8::MAX) {
        return Err("it has transparent pixels; flatten it onto a background".to_owned());
    }
    let data = data.chunks_exact(channels).flat_map(|pixel| &pixel[..colours]).copied().collect();
    Ok(Pixels { height, width, channels: colours, data })
}

/// A decoder that has read the headers, and height and width; of a JPEG also the channels.
enum Decoder<'b> {
    Png(Box<PngDecoder<ZCursor<&'b [u8]>>>, [usize; 2]),
    Jpeg(Box<JpegDecoder<ZCursor<&'b [u8]>>>, [usize; 2], usize),
}

impl<'b> Decoder<'b> {
    fn open(bytes: &'b [u8]) -> Result<Self, String> {
        let options = DecoderOptions::new_safe()
            .set_max_width(LARGEST)
            .set_max_height(LARGEST)
            .set_strict_mode(true)
            .png_set_confirm_crc(true)
            .inflate_set_confirm_adler(true);
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            let mut png = Box::new(PngDecoder::new_with_options(ZCursor::new(bytes), options));
            png.decode_headers().map_err(|e| format!("its header does not decode: {e:?}"))?;
            let (width, height) = png.dimensions().ok_or("it has no size")?;
            return Ok(Self::Png(png, [height, width]));
        }
        if !bytes.starts_with(&[0xff, 0xd8]) {
            return Err("it is neither PNG nor JPEG".to_owned());
        }
        let mut jpeg = Box::new(JpegDecoder::new_with_options(ZCursor::new(bytes), options));
        jpeg.decode_headers().map_err(|e| format!("its header does not decode: {e:?}"))?;
        let (width, height) = jpeg.dimensions().ok_or("it has no size")?;
        let (color, channels) = match jpeg.input_colorspace() {
            Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
            Some(ColorSpace::YCbCr | ColorSpace::RGB) => (ColorSpace::RGB, 3),
            other => return Err(format!("its colours are {other:?}; convert it to RGB")),
        };
        jpeg.set_options(options.jpeg_set_out_colorspace(color));
        Ok(Self::Jpeg(jpeg, [height, width], channels))
    }
}

/// An error that names the file, also for a decoder that panics on what it did not foresee.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T, String>) -> Result<T, DataError> {
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    let decoded = decoded.unwrap_or_else(|_| Err("it does not decode: the decoder stopped".to_owned()));
    decoded.map_err(|reason| DataError::malformed(path, reason))
}

impl Pixels {
    /// As grey levels or as red, green and blue.
    ///
    /// Grey is luma by ITU-R BT.601 in 16-bit integers, as in Pillow: (19595·R + 38470·G + 7471·B + 2¹⁵) / 2¹⁶.
    pub(super) fn with_channels(self, channels: usize) -> Self {
        let data = match (self.channels, channels) {
            (3, 1) => {
                let luma = |p: &[u8]| {
                    let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
                    ((19_595 * r + 38_470 * g + 7_471 * b + 0x8000) >> 16) as u8
                };
                self.data.chunks_exact(3).map(luma).collect()
            }
            (1, 3) => self.data.iter().flat_map(|grey| [*grey; 3]).collect(),
            _ => return self,
        };
        Self { channels, data, ..self }
    }

    /// Bilinear with antialiasing, like Pillow's `BILINEAR`: a triangle as wide as the step between pixels, or as
    /// one pixel where the image grows; columns first, each pass rounded to 8 bits.
    pub(super) fn resized(self, [height, width]: [usize; 2]) -> Self {
        let channels = self.channels;
        let data = match width == self.width {
            true => self.data,
            false => resample(&self.data, [self.height, self.width, channels], width),
        };
        let data = match height == self.height {
            true => data,
            false => resample(&data, [1, self.height, width * channels], height),
        };
        Self { height, width, channels, data }
    }
}

/// The middle axis of `[outer, from, inner]` becomes `to` long.
fn resample(data: &[u8], [outer, from, inner]: [usize; 3], to: usize) -> Vec<u8> {
    let step = from as f64 / to as f64;
    let support = step.max(1.0);
    let taps: Vec<(usize, Vec<f64>)> = (0..to)
        .map(|place| {
            let centre = (place as f64 + 0.5) * step;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            let weight = |at: usize| (1.0 - ((at as f64 + 0.5 - centre) / support).abs()).max(0.0);
            let weights: Vec<f64> = (first..last).map(weight).collect();
            let total: f64 = weights.iter().sum();
            (first, weights.into_iter().map(|w| w / total).collect())
        })
        .collect();
    let mut resampled = Vec::with_capacity(outer * to * inner);
    for block in data.chunks_exact(from * inner).take(outer) {
        for (first, weights) in &taps {
            for lane in 0..inner {
                let values = block[first * inner + lane..].iter().step_by(inner);
                let sum: f64 = weights.iter().zip(values).map(|(w, v)| w * f64::from(*v)).sum();
                resampled.push(sum.round() as u8);
            }
        }
    }
    resampled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::TensorFile;

    fn fixture(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/images").join(name)
    }

    fn read(name: &str) -> Result<Pixels, DataError> {
        let path = fixture(name);
        let bytes = std::fs::read(&path).unwrap();
        let size = size(&path, &bytes);
        let pixels = decode(&path, &bytes)?;
        assert_eq!(size.unwrap(), [pixels.height, pixels.width, pixels.channels], "{name}");
        Ok(pixels)
    }

    /// Asserts that the values are those of Pillow, but for `most`.
    fn assert_near(pixels: &Pixels, expected: &str, most: f32) {
        let expected = TensorFile::open(&fixture("expected.npz")).unwrap().read(expected).unwrap();
        assert_eq!(expected.shape, [pixels.height, pixels.width, pixels.channels], "{}", expected.name);
        let off = |(got, want): (&u8, &f32)| (f32::from(*got) - want).abs();
        let worst = pixels.data.iter().zip(&expected.values).map(off).fold(0.0, f32::max);
        assert!(worst <= most, "{}: off by {worst}", expected.name);
    }

    #[test]
    fn images_are_read_as_pillow_reads_them() {
        for name in ["rgb.png", "grey.png", "palette.png", "two_levels.png", "opaque.png"] {
            assert_near(&read(name).unwrap(), name, 0.0);
        }
        // Decoders round the inverse transform and the colours differently.
        for name in ["rgb.jpg", "progressive.jpg", "grey.jpg"] {
            assert_near(&read(name).unwrap(), name, 3.0);
        }
    }

    #[test]
    fn images_that_would_lose_something_are_refused() {
        for (name, reason) in
            [("transparent.png", "transparent"), ("deep.png", "16 bits"), ("cmyk.jpg", "convert it to RGB")]
        {
            let error = read(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn resizing_is_pillows_but_for_rounding() {
        let image = read("rgb.png").unwrap();
        assert_near(&image.clone().resized([5, 7]), "resized", 1.0);
        assert_near(&image.resized([30, 21]), "enlarged", 1.0);
    }

    #[test]
    fn damaged_images_are_errors_that_name_the_file() {
        for name in ["rgb.png", "palette.png", "rgb.jpg", "progressive.jpg"] {
            let bytes = std::fs::read(fixture(name)).unwrap();
            for end in 0..bytes.len() {
                if let Err(error) = decode(Path::new(name), &bytes[..end]) {
                    assert!(error.to_string().starts_with(name), "{error}");
                }
            }
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x41;
                if let Ok(pixels) = decode(Path::new(name), &flipped) {
                    assert_eq!(pixels.data.len(), pixels.height * pixels.width * pixels.channels);
                }
            }
        }
        // The checksums of PNG find a cut anywhere before the last chunk.
        let png = std::fs::read(fixture("rgb.png")).unwrap();
        assert!(decode(Path::new("cut.png"), &png[..png.len() - 20]).is_err());
    }

    #[test]
    fn a_claimed_size_beyond_the_limit_is_refused() {
        let mut png = std::fs::read(fixture("grey.png")).unwrap();
        png[16..20].copy_from_slice(&5000_u32.to_be_bytes());
        assert!(decode(Path::new("wide.png"), &png).unwrap_err().to_string().contains("wide.png"));
    }

    fn grey(height: usize, width: usize, data: &[u8]) -> Pixels {
        Pixels { height, width, channels: 1, data: data.to_vec() }
    }

    #[test]
    fn luma_is_pillows() {
        // Image.new("RGB", (4, 1)) with these pixels, .convert("L").
        let rgb = Pixels {
            height: 1,
            width: 4,
            channels: 3,
            data: vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 12, 200, 77],
        };
        assert_eq!(rgb.with_channels(1), grey(1, 4, &[76, 150, 29, 130]));
        assert_eq!(grey(1, 1, &[7]).with_channels(3).data, [7, 7, 7]);
    }

    #[test]
    fn halving_averages_under_a_triangle_and_doubling_interpolates() {
        // Weights 3, 3, 1 of the first place over 7, and mirrored of the second.
        assert_eq!(grey(1, 4, &[0, 70, 140, 210]).resized([1, 2]).data, [50, 160]);
        assert_eq!(grey(1, 2, &[0, 100]).resized([1, 4]).data, [0, 25, 75, 100]);
        assert_eq!(grey(2, 1, &[0, 100]).resized([4, 1]).data, [0, 25, 75, 100]);
        assert_eq!(grey(2, 2, &[9; 4]).resized([5, 3]).data, [9; 15]);
    }

    #[test]
    fn alpha_is_left_out_where_it_is_opaque() {
        let rgba = |alpha| Pixels { height: 1, width: 1, channels: 4, data: vec![1, 2, 3, alpha] };
        assert_eq!(opaque(rgba(255)).map(|p| p.data), Ok(vec![1, 2, 3]));
        assert!(opaque(rgba(254)).unwrap_err().contains("transparent"));
        assert!(opaque(Pixels { width: 2, ..rgba(255) }).is_err());
    }
}
