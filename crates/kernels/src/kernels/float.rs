//! fp32 products, with fp32 weights or narrower ones.

use std::cell::RefCell;

use super::{check_finish, check_len, check_matrix, check_windows};
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
    /// The packed second operand of [`Kernels::matmul_f32`].
    static OPERAND: RefCell<PackedFloat> = RefCell::new(PackedFloat::f32(&[], 0, 0));
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

    /// `C = A · B` in fp32, then `finish`; element (r, s) of `B[k, n]` is `b[r * rs_b + s * cs_b]`. For attention, where
    /// `Q · Kᵀ` is a stride swap. Shapes else as in [`gemm_float`](Self::gemm_float).
    ///
    /// # Panics
    /// When a slice is too short for its sizes or strides.
    pub fn matmul_f32(
        &self,
        (m, n, k): (usize, usize, usize),
        a: &[f32],
        lda: usize,
        b: &[f32],
        (rs_b, cs_b): (usize, usize),
        finish: &Finish<'_>,
        output: Output<'_>,
        ldo: usize,
    ) {
        check_strided("matmul_f32", "b", b.len(), (k, rs_b), (n, cs_b));
        let mut operand = OPERAND.with(|operand| operand.replace(PackedFloat::f32(&[], 0, 0)));
        operand.refill(b, n, k, cs_b, rs_b);
        self.gemm_float(m, a, lda, &operand, finish, output, ldo);
        OPERAND.with(|memory| memory.replace(operand));
    }
}

/// Panics unless every element of a strided matrix lies inside `len`.
#[track_caller]
fn check_strided(op: &str, name: &str, len: usize, (rows, rs): (usize, usize), (cols, cs): (usize, usize)) {
    if rows == 0 || cols == 0 {
        return;
    }
    // Wide arithmetic: what is checked here is relied on by unsafe code.
    let needed = (rows as u128 - 1) * rs as u128 + (cols as u128 - 1) * cs as u128 + 1;
    assert!(
        len as u128 >= needed,
        "{op}: {name} has {len} elements, [{rows}, {cols}] with strides ({rs}, {cs}) needs {needed}"
    );
}
