//! Integer GEMM and row sums.

use super::{check_finish, check_matrix, check_windows};
#[cfg(target_arch = "aarch64")]
use crate::aarch64::dot::Dot;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use crate::quads::{accumulate_quads, accumulate_quads_of_pieces};
#[cfg(target_arch = "x86_64")]
use crate::x86_64::{
    gemm,
    maddubs::{Saturating, SevenBit},
    vnni::{Vnni256, Vnni512},
};
use crate::{
    Finish, Isa, KernelError, Kernels, Output, PackedS8, Products, Windows,
    blocks::{Block, Pieces, Rows},
    byte::Byte,
    generic,
    isa::Proof,
    lanes::{self, finish::FinishBlock},
    pack::Group,
};

/// Codes of an image as products over its windows read them: pixel by pixel, each filled up to whole groups.
#[derive(Clone, Copy, Debug)]
pub enum CodeImage<'a> {
    /// Each code in 16 bits: for sets whose [`s8_group`](Kernels::s8_group) is 2.
    Pairs(&'a [i16]),
    /// Each code + 128: for sets whose group is 4.
    Quads(&'a [u8]),
}

impl CodeImage<'_> {
    fn groups(&self) -> usize {
        match self {
            Self::Pairs(codes) => codes.len() / 2,
            Self::Quads(codes) => codes.len() / 4,
        }
    }
}

impl Kernels {
    /// Packs int8 weights for products with 8-bit activations.
    ///
    /// `b` is `[n, k]` row-major (output features by input features), contiguous.
    ///
    /// # Panics
    /// When `b` is shorter than `n · k`, or `k` is above [`MAX_K_S8`](crate::MAX_K_S8).
    pub fn pack_s8(&self, b: &[i8], n: usize, k: usize) -> PackedS8 {
        PackedS8::pack(b, n, k, k, 1, self.group())
    }

    /// Packs int8 weights for the products with 8-bit activations that this set is for.
    ///
    /// As [`pack_s8`](Self::pack_s8), whose products are always exact, but for sets of another kind.
    ///
    /// # Errors
    /// [`KernelError::WideWeight`] for 7-bit products where a weight has more bits.
    ///
    /// # Panics
    /// As [`pack_s8`](Self::pack_s8).
    pub fn pack_weights_s8(&self, b: &[i8], n: usize, k: usize) -> Result<PackedS8, KernelError> {
        match self.set().products {
            Products::Exact => Ok(self.pack_s8(b, n, k)),
            products => PackedS8::pack_bytes(products, b, n, k),
        }
    }

    /// How many of the 16-bit sums of `A · Bᵀ` saturate, weights packed for [`Products::Saturating`]; a sum is of two
    /// products, and there are `m · n · k / 2`. Scalar: this is for counting, not for running.
    ///
    /// # Panics
    /// As [`gemm_s8`](Self::gemm_s8); where `b` is packed for exact products.
    pub fn saturations_s8(&self, m: usize, a: &[i8], lda: usize, b: &PackedS8) -> u64 {
        check_matrix("saturations_s8", "a", a.len(), m, b.k(), lda);
        generic::bytes::saturations((m, a, lda), b)
    }

    /// Packs int8 weights for products with 16-bit activations.
    ///
    /// # Panics
    /// As [`pack_s8`](Self::pack_s8).
    pub fn pack_s8_for_s16(&self, b: &[i8], n: usize, k: usize) -> PackedS8 {
        PackedS8::pack(b, n, k, k, 1, Group::Pairs)
    }

    /// [`pack_s8`](Self::pack_s8) for any layout: element (j, kk) of `B[n, k]` is
    /// `b[j * stride_n + kk * stride_k]`. A `[k, n]` row-major matrix has strides (1, n).
    ///
    /// # Panics
    /// As [`pack_s8`](Self::pack_s8).
    pub fn pack_s8_strided(
        &self,
        b: &[i8],
        n: usize,
        k: usize,
        stride_n: usize,
        stride_k: usize,
    ) -> PackedS8 {
        PackedS8::pack(b, n, k, stride_n, stride_k, self.group())
    }

    /// [`pack_s8_strided`](Self::pack_s8_strided) into memory that was packed before, by the same kernels.
    ///
    /// # Panics
    /// As [`pack_s8`](Self::pack_s8).
    pub fn repack_s8_strided(
        &self,
        packed: &mut PackedS8,
        b: &[i8],
        n: usize,
        k: usize,
        stride_n: usize,
        stride_k: usize,
    ) {
        packed.refill(b, n, k, stride_n, stride_k);
    }

    /// How the instruction set's kernels for 8-bit activations want weights packed.
    fn group(&self) -> Group {
        match self.isa() {
            Isa::Generic | Isa::Avx2 => Group::Pairs,
            Isa::AvxVnni | Isa::Avx512Vnni | Isa::NeonDot => Group::Quads,
        }
    }

    /// Signed int8 product: `C[i, j] = Σ_k A[i, k] · B[j, k]`, exact in i32.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`, `c` is `[m, n]` with leading dimension `ldc`;
    /// `c` is overwritten, its padding left alone. `k = 0` gives zeros.
    ///
    /// # Panics
    /// When a slice is too short, or `b` was packed by the kernels of another instruction set.
    pub fn gemm_s8(&self, m: usize, a: &[i8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
        if prepare("gemm_s8", m, a.len(), lda, b, c, ldc) {
            self.accumulate_bytes((m, a, lda), b, |block| copy(&block, c, ldc));
        }
    }

    /// Unsigned activations by signed weights: as [`gemm_s8`](Self::gemm_s8) with `A` in u8.
    ///
    /// # Panics
    /// As [`gemm_s8`](Self::gemm_s8).
    pub fn gemm_u8(&self, m: usize, a: &[u8], lda: usize, b: &PackedS8, c: &mut [i32], ldc: usize) {
        if !prepare("gemm_u8", m, a.len(), lda, b, c, ldc) {
            return;
        }
        self.accumulate_bytes((m, a, lda), b, |block| copy(&block, c, ldc));
    }

    /// [`gemm_s8`](Self::gemm_s8), then `finish`, block by block while the sums are in cache.
    ///
    /// The rows of the output are `[m, n]`, `ldo` apart.
    ///
    /// # Panics
    /// When a slice is too short, or `b` was packed by the kernels of another instruction set.
    pub fn gemm_s8_finish(
        &self,
        m: usize,
        a: &[i8],
        lda: usize,
        b: &PackedS8,
        finish: &Finish<'_>,
        mut output: Output<'_>,
        ldo: usize,
    ) {
        const OP: &str = "gemm_s8_finish";
        check_matrix(OP, "a", a.len(), m, b.k(), lda);
        check_finish(OP, m, b.n(), finish, &output, ldo);
        self.accumulate_bytes((m, a, lda), b, |block| {
            let output = &mut output;
            lanes::run(self.proof, FinishBlock { block, finish, output, ld: ldo });
        });
    }

    /// Rows that lie in an image, as in [`conv_float`](Self::conv_float), in int8 codes, exact in i32; then `finish`.
    /// Starts, lengths and strides count groups of [`s8_group`](Self::s8_group) values.
    ///
    /// # Panics
    /// When a window leaves the image, its pieces are not as long together as `b` has groups of k, or the image is not as
    /// this set reads it.
    pub fn conv_s8(
        &self,
        image: CodeImage<'_>,
        starts: &[usize],
        windows: Windows,
        b: &PackedS8,
        finish: &Finish<'_>,
        mut output: Output<'_>,
        ldo: usize,
    ) {
        const OP: &str = "conv_s8";
        check_windows(OP, image.groups(), starts, windows, b.groups());
        check_finish(OP, starts.len(), b.n(), finish, &output, ldo);
        let proof = self.proof;
        let sink = |block: Block<'_, i32>| {
            lanes::run(proof, FinishBlock { block, finish, output: &mut output, ld: ldo });
        };
        let Windows { count, len, stride } = windows;
        let pieces = Pieces { count, len, stride };
        match image {
            CodeImage::Pairs(image) => {
                let a = Rows { data: image.as_chunks::<2>().0, starts, pieces };
                match self.proof {
                    #[cfg(target_arch = "x86_64")]
                    Proof::Avx2(token) => gemm::accumulate_pairs_of_pieces(token, a, b, sink),
                    _ => generic::gemm::accumulate_pieces(a, b, sink),
                }
            }
            CodeImage::Quads(image) => {
                // Those sets multiply bytes for other products than exact ones only.
                assert!(
                    b.products() != Products::Exact || !matches!(self.isa(), Isa::Generic | Isa::Avx2),
                    "{OP}: weights were packed by the kernels of another instruction set"
                );
                let a = Rows { data: image.as_chunks::<4>().0, starts, pieces };
                match self.proof {
                    Proof::Generic => generic::bytes::accumulate_pieces(a, b, sink),
                    #[cfg(target_arch = "aarch64")]
                    Proof::NeonDot(token) => accumulate_quads_of_pieces(Dot(token), a, b, sink),
                    #[cfg(target_arch = "x86_64")]
                    Proof::Avx2(token) if b.products() == Products::Saturating => {
                        accumulate_quads_of_pieces(Saturating(token), a, b, sink);
                    }
                    #[cfg(target_arch = "x86_64")]
                    Proof::Avx2(token) => accumulate_quads_of_pieces(SevenBit(token), a, b, sink),
                    #[cfg(target_arch = "x86_64")]
                    Proof::AvxVnni(token) => accumulate_quads_of_pieces(Vnni256(token), a, b, sink),
                    #[cfg(target_arch = "x86_64")]
                    Proof::Avx512Vnni(token) => accumulate_quads_of_pieces(Vnni512(token), a, b, sink),
                }
            }
        }
    }

    /// How many successive k the kernels for 8-bit activations add up at once, of weights from
    /// [`pack_weights_s8`](Self::pack_weights_s8).
    pub fn s8_group(&self) -> usize {
        let group = if self.set().products == Products::Exact { self.group() } else { Group::Quads };
        group as usize
    }

    /// `A · Bᵀ`, block by block; sizes are checked by the caller, and none is 0.
    fn accumulate_bytes<T: Byte + Into<i16>>(
        &self,
        a: (usize, &[T], usize),
        b: &PackedS8,
        sink: impl FnMut(Block<'_, i32>),
    ) {
        match self.proof {
            Proof::Generic if b.products() != Products::Exact => generic::bytes::accumulate(a, b, sink),
            Proof::Generic => generic::gemm::accumulate(a, b, sink),
            #[cfg(target_arch = "aarch64")]
            Proof::NeonDot(token) => accumulate_quads(Dot(token), a, b, sink),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(token) if b.products() == Products::Exact => {
                gemm::accumulate_pairs(token, a, b, sink)
            }
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(token) if b.products() == Products::Saturating => {
                accumulate_quads(Saturating(token), a, b, sink);
            }
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(token) => accumulate_quads(SevenBit(token), a, b, sink),
            #[cfg(target_arch = "x86_64")]
            Proof::AvxVnni(token) => accumulate_quads(Vnni256(token), a, b, sink),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512Vnni(token) => accumulate_quads(Vnni512(token), a, b, sink),
        }
    }

    /// 16-bit activations by int8 weights (W8A16): `C[i, j] = Σ_k A[i, k] · B[j, k]`, exact in i64.
    ///
    /// Shapes as in [`gemm_s8`](Self::gemm_s8); `b` is packed by [`pack_s8_for_s16`](Self::pack_s8_for_s16).
    ///
    /// # Panics
    /// When a slice is too short, or `b` was packed for 8-bit activations.
    pub fn gemm_s16(&self, m: usize, a: &[i16], lda: usize, b: &PackedS8, c: &mut [i64], ldc: usize) {
        if prepare("gemm_s16", m, a.len(), lda, b, c, ldc) {
            dispatch!(self, gemm::gemm_s16(m, a, lda, b, c, ldc));
        }
    }

    /// `out[i] = Σ_k A[i, k]`: what a zero point of `B` multiplies, in products of two activations.
    ///
    /// `a` is `[m, k]` with leading dimension `lda`; `out` has at least `m` elements.
    ///
    /// # Panics
    /// When a slice is too short, or `k` is above 2^24 (where a sum could overflow).
    pub fn row_sums_s8(&self, m: usize, k: usize, a: &[i8], lda: usize, out: &mut [i32]) {
        check_matrix("row_sums_s8", "a", a.len(), m, k, lda);
        check_matrix("row_sums_s8", "out", out.len(), 1, m, m);
        assert!(k <= 1 << 24, "row_sums_s8: k = {k} is above 2^24");
        dispatch!(self, gemm::row_sums_s8(m, k, a, lda, out));
    }
}

/// Checks the slices; zero-fills `c` where there is nothing to sum. Whether a kernel must run.
#[track_caller]
fn prepare<C: Copy + Default>(
    op: &str,
    m: usize,
    a_len: usize,
    lda: usize,
    b: &PackedS8,
    c: &mut [C],
    ldc: usize,
) -> bool {
    let (n, k) = (b.n(), b.k());
    check_matrix(op, "a", a_len, m, k, lda);
    check_matrix(op, "c", c.len(), m, n, ldc);
    if m == 0 || n == 0 {
        return false;
    }
    if k == 0 {
        for i in 0..m {
            c[i * ldc..][..n].fill(C::default());
        }
    }
    k > 0
}

/// Writes a block of accumulators to its place.
fn copy(block: &Block<'_, i32>, c: &mut [i32], ldc: usize) {
    for r in 0..block.rows {
        c[(block.top + r) * ldc + block.left..][..block.width]
            .copy_from_slice(&block.acc[r * block.ld..][..block.width]);
    }
}
