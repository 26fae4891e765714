//! fp32 products, with fp32 weights or narrower ones.

use std::cell::RefCell;

use super::{check_finish, check_len, check_matrix, check_windows};
#[cfg(target_arch = "aarch64")]
use crate::aarch64;
#[cfg(target_arch = "x86_64")]
use crate::x86_64;
use crate::{
    Finish, Kernels, Output, PackedFloat, Windows,
    blocks::{Block, Pieces, Rows},
    blocks_float::accumulate,
    generic,
    isa::Proof,
    lanes::{self, finish::FinishBlock},
    pack_float::Data,
};

thread_local! {
    /// Where the rows of a matrix begin.
    static STARTS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl Kernels {
    /// `C = A · Bᵀ` in fp32, then `finish`. Weights that are held narrower are widened, block by block, as they are used:
    /// that saves memory, not arithmetic.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`; the rows of the output are `[m, n]`, `ldo` apart. `finish.correction`
    /// has no meaning for fp32 sums and is empty; `finish.scale` is empty where `b` holds int8 codes, whose scales take
    /// its place.
    ///
    /// Known limits: the order of summation, hence the last bits, depend on the instruction set.
    ///
    /// # Panics
    /// When a slice is too short for its sizes.
    pub fn gemm_float(
        &self,
        m: usize,
        a: &[f32],
        lda: usize,
        b: &PackedFloat,
        finish: &Finish<'_>,
        mut output: Output<'_>,
        ldo: usize,
    ) {
        const OP: &str = "gemm_float";
        check_matrix(OP, "a", a.len(), m, b.k(), lda);
        check_finish(OP, m, b.n(), finish, &output, ldo);
        // No row begins beyond an empty matrix.
        let lda = if b.k() == 0 { 0 } else { lda };
        let pieces = Pieces { count: 1, len: b.k(), stride: 0 };
        let mut starts = STARTS.take();
        starts.clear();
        starts.extend((0..m).map(|row| row * lda));
        self.finish_f32(OP, Rows { data: a, starts: &starts, pieces }, b, finish, &mut output, ldo);
        STARTS.set(starts);
    }

    /// The same for rows that lie in an image: `Σ_p Σ_i image[starts[row] + p · windows.stride + i] · B[j, p · len + i]`.
    ///
    /// # Panics
    /// When a window leaves the image, or its pieces are not as long together as `b` has k.
    pub fn conv_float(
        &self,
        image: &[f32],
        starts: &[usize],
        windows: Windows,
        b: &PackedFloat,
        finish: &Finish<'_>,
        mut output: Output<'_>,
        ldo: usize,
    ) {
        const OP: &str = "conv_float";
        check_windows(OP, image.len(), starts, windows, b.k());
        check_finish(OP, starts.len(), b.n(), finish, &output, ldo);
        let Windows { count, len, stride } = windows;
        let rows = Rows { data: image, starts, pieces: Pieces { count, len, stride } };
        self.finish_f32(OP, rows, b, finish, &mut output, ldo);
    }

    fn finish_f32(
        &self,
        op: &str,
        rows: Rows<'_, f32>,
        b: &PackedFloat,
        finish: &Finish<'_>,
        output: &mut Output<'_>,
        ldo: usize,
    ) {
        check_len(op, "correction", finish.correction.len() + finish.row_correction.len(), 0);
        let finish = match b.data() {
            Data::S8(_, scale) => {
                check_len(op, "scale", finish.scale.len(), 0);
                Finish { scale, ..*finish }
            }
            _ => *finish,
        };
        let finish = &finish;
        let sink = |block: Block<'_, f32>| {
            lanes::run(self.proof, FinishBlock { block, finish, output: &mut *output, ld: ldo });
        };
        match self.proof {
            Proof::Generic => accumulate(*self, generic::float::Scalar, rows, b, sink),
            #[cfg(target_arch = "aarch64")]
            Proof::NeonDot(token) => accumulate(*self, aarch64::float::Fma128(token), rows, b, sink),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(token) => accumulate(*self, x86_64::float::Fma256(token), rows, b, sink),
            #[cfg(target_arch = "x86_64")]
            Proof::AvxVnni(token) => {
                accumulate(*self, x86_64::float::Fma256(token.avx2()), rows, b, sink);
            }
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512Vnni(token) => accumulate(*self, x86_64::float::Fma512(token), rows, b, sink),
        }
    }
}
