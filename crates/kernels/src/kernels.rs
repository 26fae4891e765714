//! The entry point: every kernel as a method, dispatched on a proven instruction set.

use crate::{Finish, Isa, KernelError, KernelSet, Output, Products, Quantizer, Residual, isa::Proof};

/// Runs the kernel of the proven instruction set: `dispatch!(self, family::function(args))`. For families that have one
/// kernel for all of AVX2's successors.
macro_rules! dispatch {
    ($self:ident, $family:ident :: $name:ident ( $($arg:expr),* $(,)? )) => {
        dispatch!($self, $family::$name | $name($($arg),*))
    };
    // Where the scalar function has another name.
    ($self:ident, $family:ident :: $scalar:ident | $name:ident ( $($arg:expr),* $(,)? )) => {
        match $self.proof {
            $crate::isa::Proof::Generic => $crate::generic::$family::$scalar($($arg),*),
            #[cfg(target_arch = "aarch64")]
            $crate::isa::Proof::NeonDot(_) => $crate::generic::$family::$scalar($($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Proof::Avx2(token) => $crate::x86_64::$family::$name(token, $($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Proof::AvxVnni(token) => $crate::x86_64::$family::$name(token.avx2(), $($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Proof::Avx512Vnni(token) => $crate::x86_64::$family::$name(token.avx2(), $($arg),*),
        }
    };
}

mod depthwise;
mod dequantize;
mod float;
mod gemm;
mod half;
mod quantize;
mod rows;

pub use gemm::CodeImage;

/// The largest magnitude of a zero point that the kernels take: differences with any i8 or i16
/// value are then exact in both i32 and f32.
pub const MAX_ZERO_POINT: i32 = 1 << 23;

/// All kernels of one instruction set.
///
/// A value exists only where the CPU has the instructions. Cheap to copy; safe to share.
///
/// All methods panic, with the sizes in the message, on a slice shorter than its shape needs, and
/// on a zero point beyond ±[`MAX_ZERO_POINT`].
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    proof: Proof,
    products: Products,
}

impl Kernels {
    /// The kernels of the fastest instruction set that this machine can run.
    pub fn best() -> Self {
        Self::new(Isa::best()).unwrap_or(Self { proof: Proof::Generic, products: Products::Exact })
    }

    /// The kernels of one instruction set.
    ///
    /// # Errors
    /// [`KernelError::MissingIsa`], which names the missing CPU features and what can be used
    /// instead.
    pub fn new(isa: Isa) -> Result<Self, KernelError> {
        Self::of(KernelSet::exact(isa))
    }

    /// The kernels of a set. Sets that are not exact exist for AVX2, and for scalar code, which they are tested against.
    ///
    /// # Errors
    /// As [`Kernels::new`]; [`KernelError::UnknownIsa`] for a set that there is not.
    pub fn of(set: KernelSet) -> Result<Self, KernelError> {
        let KernelSet { isa, products } = set;
        if products != Products::Exact && !matches!(isa, Isa::Generic | Isa::Avx2) {
            let known = KernelSet::ALL.iter().map(|set| set.id()).collect::<Vec<_>>().join(", ");
            return Err(KernelError::UnknownIsa { name: format!("{isa} {products:?}"), known });
        }
        Proof::of(isa).map(|proof| Self { proof, products })
    }

    /// Which instruction set these kernels use.
    pub fn isa(&self) -> Isa {
        self.proof.isa()
    }

    /// Which set these kernels are.
    pub fn set(&self) -> KernelSet {
        KernelSet { isa: self.isa(), products: self.products }
    }
}

/// Panics unless an `[rows, cols]` matrix with leading dimension `ld` fits in `len` elements.
#[track_caller]
fn check_matrix(op: &str, name: &str, len: usize, rows: usize, cols: usize, ld: usize) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(ld >= cols, "{op}: {name} has {cols} columns and a leading dimension of {ld}");
    // Wide arithmetic: what is checked here is relied on by unsafe code.
    let needed = (rows as u128 - 1) * ld as u128 + cols as u128;
    assert!(
        len as u128 >= needed,
        "{op}: {name} has {len} elements, [{rows}, {cols}] with leading dimension {ld} needs \
         {needed}"
    );
}

#[track_caller]
fn check_len(op: &str, name: &str, got: usize, expected: usize) {
    assert!(got == expected, "{op}: {name} has {got} elements, expected {expected}");
}

/// `scale`, `requant`: one for all columns, or one each.
#[track_caller]
fn check_one_or_n(op: &str, name: &str, got: usize, n: usize) {
    assert!(got == 1 || got == n, "{op}: {name} has {got} elements, expected 1 or {n}");
}

/// Panics unless what finishes an `[m, n]` product fits its columns and its output.
#[track_caller]
fn check_finish(op: &str, m: usize, n: usize, finish: &Finish<'_>, output: &Output<'_>, ldo: usize) {
    check_matrix(op, "output", output.len(), m, n, ldo);
    if !finish.correction.is_empty() {
        check_len(op, "correction", finish.correction.len(), n);
    }
    if !finish.row_correction.is_empty() {
        check_len(op, "row_correction", finish.row_correction.len(), m);
    }
    if !finish.scale.is_empty() {
        check_one_or_n(op, "scale", finish.scale.len(), n);
    }
    if !finish.bias.is_empty() {
        check_len(op, "bias", finish.bias.len(), n);
    }
    match finish.residual {
        None => {}
        Some(Residual::F32(values)) => check_matrix(op, "residual", values.len(), m, n, ldo),
        Some(Residual::S8 { codes, zero_point, .. }) => {
            check_matrix(op, "residual", codes.len(), m, n, ldo);
            check_zero_point(op, zero_point);
        }
    }
    if let Output::S8(_, quantizer) = output {
        check_quantizer(op, *quantizer);
    }
}

/// Where the rows of a product lie in an image: each in `count` pieces of `len` elements, `stride` apart; for a convolution
/// the rows of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Pieces.
    pub count: usize,
    /// Elements of a piece.
    pub len: usize,
    /// From one piece to the next.
    pub stride: usize,
}

/// Panics unless all windows lie inside the image and are as long as the weights' k.
#[track_caller]
fn check_windows(op: &str, image: usize, starts: &[usize], windows: Windows, k: usize) {
    let Windows { count, len, stride } = windows;
    // Unsafe code relies on it: nothing may wrap.
    assert!(
        count > 0 && count.checked_mul(len) == Some(k),
        "{op}: {count} pieces of {len} are not the weights' k = {k}"
    );
    let reach = (count - 1).saturating_mul(stride).saturating_add(len);
    let most = starts.iter().max().copied().unwrap_or(0);
    let end = most.saturating_add(reach);
    assert!(starts.is_empty() || end <= image, "{op}: a window ends at {end} of {image}");
}

/// Panics unless the codes are int8 and the zero point is exact in floating point.
#[track_caller]
fn check_quantizer(op: &str, quantizer: Quantizer) {
    let Quantizer { zero_point, low, high, .. } = quantizer;
    check_zero_point(op, zero_point);
    assert!(
        i32::from(i8::MIN) <= low && low <= high && high <= i32::from(i8::MAX),
        "{op}: bounds [{low}, {high}] do not lie in [-128, 127]"
    );
}

#[track_caller]
fn check_rows(op: &str, len: usize, n_cols: usize) {
    assert!(
        n_cols > 0 && len.is_multiple_of(n_cols) || len == 0,
        "{op}: {len} accumulators are not rows of {n_cols} columns"
    );
}

#[track_caller]
fn check_zero_point(op: &str, zero_point: i32) {
    assert!(
        zero_point.unsigned_abs() <= MAX_ZERO_POINT.unsigned_abs(),
        "{op}: zero point {zero_point} is beyond ±{MAX_ZERO_POINT}"
    );
}
