//! The list of kernels: what `calibench list kernels` prints and the conformance tests walk.

use std::fmt;

use crate::Isa;

/// A kernel family: one method of [`Kernels`](crate::Kernels), or what `gemm_s8` does with weights that are packed for other
/// [`Products`](crate::Products) than exact ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is the method of the same name.
pub enum Op {
    GemmS8,
    GemmU8,
    GemmS8SevenBit,
    GemmS8Saturating,
    GemmS16,
    RowSumsS8,
    DequantizeS64,
    QuantizeS8,
    QuantizeS16,
    DequantizeS8,
    DequantizeS16,
    MinMax,
    F32ToF16,
    F16ToF32,
    F32ToBf16,
    Bf16ToF32,
    RoundF16,
    RoundBf16,
    GemmFloat,
    GemmS8Finish,
    ConvFloat,
    ConvS8,
    DepthwiseS8,
    DepthwiseF32,
    LayerNorm,
    Softmax,
    Activate,
}

impl Op {
    /// Every family, in the order of the methods.
    pub const ALL: &'static [Op] = &[
        Op::GemmS8,
        Op::GemmU8,
        Op::GemmS8SevenBit,
        Op::GemmS8Saturating,
        Op::GemmS16,
        Op::RowSumsS8,
        Op::DequantizeS64,
        Op::QuantizeS8,
        Op::QuantizeS16,
        Op::DequantizeS8,
        Op::DequantizeS16,
        Op::MinMax,
        Op::F32ToF16,
        Op::F16ToF32,
        Op::F32ToBf16,
        Op::Bf16ToF32,
        Op::RoundF16,
        Op::RoundBf16,
        Op::GemmFloat,
        Op::GemmS8Finish,
        Op::ConvFloat,
        Op::ConvS8,
        Op::DepthwiseS8,
        Op::DepthwiseF32,
        Op::LayerNorm,
        Op::Softmax,
        Op::Activate,
    ];

    /// The name of the family.
    pub const fn id(self) -> &'static str {
        match self {
            Op::GemmS8 => "gemm_s8",
            Op::GemmU8 => "gemm_u8",
            Op::GemmS8SevenBit => "gemm_s8_7bit",
            Op::GemmS8Saturating => "gemm_s8_saturating",
            Op::GemmS16 => "gemm_s16",
            Op::RowSumsS8 => "row_sums_s8",
            Op::DequantizeS64 => "dequantize_s64",
            Op::QuantizeS8 => "quantize_s8",
            Op::QuantizeS16 => "quantize_s16",
            Op::DequantizeS8 => "dequantize_s8",
            Op::DequantizeS16 => "dequantize_s16",
            Op::MinMax => "min_max",
            Op::F32ToF16 => "f32_to_f16",
            Op::F16ToF32 => "f16_to_f32",
            Op::F32ToBf16 => "f32_to_bf16",
            Op::Bf16ToF32 => "bf16_to_f32",
            Op::RoundF16 => "round_f16",
            Op::RoundBf16 => "round_bf16",
            Op::GemmFloat => "gemm_float",
            Op::GemmS8Finish => "gemm_s8_finish",
            Op::ConvFloat => "conv_float",
            Op::ConvS8 => "conv_s8",
            Op::DepthwiseS8 => "depthwise_s8",
            Op::DepthwiseF32 => "depthwise_f32",
            Op::LayerNorm => "layer_norm",
            Op::Softmax => "softmax",
            Op::Activate => "activate",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// What one kernel is.
#[derive(Clone, Copy, Debug)]
pub struct KernelEntry {
    /// Unique name, `{arch}-{dtypes}-{variant}`.
    pub id: &'static str,
    /// The family that it implements.
    pub op: Op,
    /// Input, weight and output types, as `s8·s8→s32`.
    pub dtypes: &'static str,
    /// The instruction set that it needs.
    pub isa: Isa,
    /// Outputs computed at a time: rows × columns for products, lanes otherwise.
    pub tile: &'static str,
    /// Whether the same bits come out as from the scalar kernel, for every input. False for float
    /// products, where the order of summation differs.
    pub bit_exact: bool,
    /// Whether an intermediate may saturate, so that the result depends on the kernel.
    pub may_saturate: bool,
    /// One line: how it works.
    pub summary: &'static str,
    /// Where the method comes from.
    pub source: &'static str,
}

const JACOB: &str = "Jacob et al. 2017, arXiv:1712.05877, §2";
const HALF: &str = "IEEE 754; the half crate";
const SCALAR: &str = "definition";
const INTEL: &str = "Intel intrinsics guide; tile layout after rten-gemm and gemmlowp";

const ARM: &str = "Arm Neon intrinsics reference; tile layout as on x86-64";

const fn entry(
    id: &'static str,
    op: Op,
    dtypes: &'static str,
    isa: Isa,
    tile: &'static str,
    summary: &'static str,
    source: &'static str,
) -> KernelEntry {
    KernelEntry {
        id,
        op,
        dtypes,
        isa,
        tile,
        bit_exact: !matches!(op, Op::GemmFloat | Op::ConvFloat),
        may_saturate: matches!(op, Op::GemmS8Saturating),
        summary,
        source,
    }
}

/// Every kernel of every instruction set.
#[rustfmt::skip] // A table: one kernel a line.
pub const ALL: &[KernelEntry] = &[
    entry("generic-s8s8s32-scalar1x16", Op::GemmS8, "s8·s8→s32", Isa::Generic, "1x16", "scalar loops over packed panels", SCALAR),
    entry("generic-u8s8s32-scalar1x16", Op::GemmU8, "u8·s8→s32", Isa::Generic, "1x16", "scalar loops over packed panels", SCALAR),
    entry("generic-u8s7s32-scalar1x16", Op::GemmS8SevenBit, "u8·s7→s32", Isa::Generic, "1x16", "scalar loops over groups of four; weights within 64; exact", SCALAR),
    entry("generic-u8s8s16-scalar1x16", Op::GemmS8Saturating, "u8·s8→s16→s32", Isa::Generic, "1x16", "scalar loops; sums of two products saturate at 16 bits", SCALAR),
    entry("generic-s16s8s64-scalar1x16", Op::GemmS16, "s16·s8→s64", Isa::Generic, "1x16", "scalar loops, 64-bit sums", SCALAR),
    entry("generic-s8s32-rowsum", Op::RowSumsS8, "s8→s32", Isa::Generic, "1", "scalar sum", SCALAR),
    entry("generic-s64f32-dequant", Op::DequantizeS64, "s64→f32", Isa::Generic, "1", "multiply, add, ReLU; never fused", JACOB),
    entry("generic-f32s8-quant", Op::QuantizeS8, "f32→s8", Isa::Generic, "1", "divide, round ties to even, clamp", JACOB),
    entry("generic-f32s16-quant", Op::QuantizeS16, "f32→s16", Isa::Generic, "1", "divide, round ties to even, clamp", JACOB),
    entry("generic-s8f32-dequant", Op::DequantizeS8, "s8→f32", Isa::Generic, "1", "subtract, multiply", JACOB),
    entry("generic-s16f32-dequant", Op::DequantizeS16, "s16→f32", Isa::Generic, "1", "subtract, multiply", JACOB),
    entry("generic-f32-minmax", Op::MinMax, "f32→f32", Isa::Generic, "1", "finite values only", SCALAR),
    entry("generic-f32f16-narrow", Op::F32ToF16, "f32→f16", Isa::Generic, "1", "portable conversion", HALF),
    entry("generic-f16f32-widen", Op::F16ToF32, "f16→f32", Isa::Generic, "1", "portable conversion", HALF),
    entry("generic-f32bf16-narrow", Op::F32ToBf16, "f32→bf16", Isa::Generic, "1", "portable conversion", HALF),
    entry("generic-bf16f32-widen", Op::Bf16ToF32, "bf16→f32", Isa::Generic, "1", "portable conversion", HALF),
    entry("generic-f32-roundf16", Op::RoundF16, "f32→f32", Isa::Generic, "1", "narrow and widen", HALF),
    entry("generic-f32-roundbf16", Op::RoundBf16, "f32→f32", Isa::Generic, "1", "narrow and widen", HALF),
    entry("x86_64-s8s8s32-madd6x16", Op::GemmS8, "s8·s8→s32", Isa::Avx2, "6x16", "widen to i16, vpmaddwd; exact", INTEL),
    entry("x86_64-u8s8s32-madd6x16", Op::GemmU8, "u8·s8→s32", Isa::Avx2, "6x16", "widen to i16, vpmaddwd (not the saturating vpmaddubsw); exact", INTEL),
    entry("x86_64-u8s7s32-maddubs4x16", Op::GemmS8SevenBit, "u8·s7→s32", Isa::Avx2, "4x16", "vpmaddubsw on weights within 64, two of them added in 16 bits where the weights allow it; exact", INTEL),
    entry("x86_64-u8s8s16-maddubs4x16", Op::GemmS8Saturating, "u8·s8→s16→s32", Isa::Avx2, "4x16", "vpmaddubsw, whose sums of two products saturate: what other runtimes do without VNNI", "ONNX Runtime MLAS, OpenVINO oneDNN"),
    entry("x86_64-s16s8s64-madd6x16", Op::GemmS16, "s16·s8→s64", Isa::Avx2, "6x16", "vpmaddwd into i32 for 255 k-pairs, then added to i64; exact", INTEL),
    entry("x86_64-s8s8s32-vnni6x16", Op::GemmS8, "s8·s8→s32", Isa::AvxVnni, "6x16", "vpdpbusd in 256 bits, activations moved up by 128; exact", INTEL),
    entry("x86_64-u8s8s32-vnni6x16", Op::GemmU8, "u8·s8→s32", Isa::AvxVnni, "6x16", "vpdpbusd in 256 bits; exact", INTEL),
    entry("x86_64-s8s8s32-vnni12x32", Op::GemmS8, "s8·s8→s32", Isa::Avx512Vnni, "12x32", "vpdpbusd in 512 bits, activations moved up by 128; exact", INTEL),
    entry("x86_64-u8s8s32-vnni12x32", Op::GemmU8, "u8·s8→s32", Isa::Avx512Vnni, "12x32", "vpdpbusd in 512 bits; exact", INTEL),
    entry("x86_64-s8s32-sad", Op::RowSumsS8, "s8→s32", Isa::Avx2, "32", "vpsadbw of values biased by 128", INTEL),
    entry("x86_64-s64f32-dequant4", Op::DequantizeS64, "s64→f32", Isa::Avx2, "4", "i64 to f64 by the 1.5·2^52 addition, scalar beyond 2^50", JACOB),
    entry("x86_64-f32s8-quant8", Op::QuantizeS8, "f32→s8", Isa::Avx2, "8", "vdivps, vroundps, clamp", JACOB),
    entry("x86_64-f32s16-quant8", Op::QuantizeS16, "f32→s16", Isa::Avx2, "8", "vdivps, vroundps, clamp", JACOB),
    entry("x86_64-s8f32-dequant8", Op::DequantizeS8, "s8→f32", Isa::Avx2, "8", "subtract, multiply", JACOB),
    entry("x86_64-s16f32-dequant8", Op::DequantizeS16, "s16→f32", Isa::Avx2, "8", "subtract, multiply", JACOB),
    entry("x86_64-f32-minmax-256", Op::MinMax, "f32→f32", Isa::Avx2, "8", "masked minima and maxima, four chains each", SCALAR),
    entry("x86_64-f32-minmax-512", Op::MinMax, "f32→f32", Isa::Avx512Vnni, "16", "masked minima and maxima, four chains each", SCALAR),
    entry("x86_64-f32f16-f16c", Op::F32ToF16, "f32→f16", Isa::Avx2, "8", "vcvtps2ph", HALF),
    entry("x86_64-f16f32-f16c", Op::F16ToF32, "f16→f32", Isa::Avx2, "8", "vcvtph2ps", HALF),
    entry("x86_64-f32bf16-narrow8", Op::F32ToBf16, "f32→bf16", Isa::Avx2, "8", "integer round to nearest even", HALF),
    entry("x86_64-bf16f32-widen8", Op::Bf16ToF32, "bf16→f32", Isa::Avx2, "8", "shift", HALF),
    entry("x86_64-f32-roundf16", Op::RoundF16, "f32→f32", Isa::Avx2, "8", "vcvtps2ph, vcvtph2ps", HALF),
    entry("x86_64-f32-roundbf16", Op::RoundBf16, "f32→f32", Isa::Avx2, "8", "integer round to nearest even", HALF),
    entry("generic-f32-scalar4x16", Op::GemmFloat, "f32·{f32,f16,bf16,s8}→f32", Isa::Generic, "4x16", "scalar loops over packed panels", INTEL),
    entry("x86_64-f32-fma6x16", Op::GemmFloat, "f32·{f32,f16,bf16,s8}→f32", Isa::Avx2, "6x16", "fused multiply-add in 256 bits over packed panels; narrow weights are widened a panel at a time", INTEL),
    entry("x86_64-f32-fma12x32", Op::GemmFloat, "f32·{f32,f16,bf16,s8}→f32", Isa::Avx512Vnni, "12x32", "fused multiply-add in 512 bits over packed panels; narrow weights are widened a panel at a time", INTEL),
    entry("generic-s8s8s32-finish", Op::GemmS8Finish, "s8·s8→{f32,s8}", Isa::Generic, "1", "scale, bias, residual, activation and output type while the sums are in cache", JACOB),
    entry("x86_64-s8s8s32-finish-256", Op::GemmS8Finish, "s8·s8→{f32,s8}", Isa::Avx2, "8", "scale, bias, residual, activation and output type while the sums are in cache", JACOB),
    entry("x86_64-s8s8s32-finish-512", Op::GemmS8Finish, "s8·s8→{f32,s8}", Isa::Avx512Vnni, "16", "scale, bias, residual, activation and output type while the sums are in cache", JACOB),
    entry("generic-f32-layernorm", Op::LayerNorm, "f32→{f32,s8}", Isa::Generic, "1", "two passes, sums in 16 lanes", SCALAR),
    entry("x86_64-f32-layernorm-256", Op::LayerNorm, "f32→{f32,s8}", Isa::Avx2, "8", "two passes, sums in 16 lanes", SCALAR),
    entry("x86_64-f32-layernorm-512", Op::LayerNorm, "f32→{f32,s8}", Isa::Avx512Vnni, "16", "two passes, sums in 16 lanes", SCALAR),
    entry("generic-f32-softmax", Op::Softmax, "f32→{f32,s8}", Isa::Generic, "1", "less the largest; polynomial exponential", SCALAR),
    entry("x86_64-f32-softmax-256", Op::Softmax, "f32→{f32,s8}", Isa::Avx2, "8", "less the largest; polynomial exponential", SCALAR),
    entry("x86_64-f32-softmax-512", Op::Softmax, "f32→{f32,s8}", Isa::Avx512Vnni, "16", "less the largest; polynomial exponential", SCALAR),
    entry("generic-f32-activate", Op::Activate, "f32→{f32,s8}", Isa::Generic, "1", "ReLU, or GELU by a rational error function", SCALAR),
    entry("x86_64-f32-activate-256", Op::Activate, "f32→{f32,s8}", Isa::Avx2, "8", "ReLU, or GELU by a rational error function", SCALAR),
    entry("x86_64-f32-activate-512", Op::Activate, "f32→{f32,s8}", Isa::Avx512Vnni, "16", "ReLU, or GELU by a rational error function", SCALAR),
    entry("generic-s8s8s32-depthwise", Op::DepthwiseS8, "s8·s8→{f32,s8}", Isa::Generic, "1", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("x86_64-s8s8s32-depthwise-256", Op::DepthwiseS8, "s8·s8→{f32,s8}", Isa::Avx2, "8", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("x86_64-s8s8s32-depthwise-512", Op::DepthwiseS8, "s8·s8→{f32,s8}", Isa::Avx512Vnni, "16", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("generic-f32-depthwise", Op::DepthwiseF32, "f32·f32→{f32,s8}", Isa::Generic, "1", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("x86_64-f32-depthwise-256", Op::DepthwiseF32, "f32·f32→{f32,s8}", Isa::Avx2, "8", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("x86_64-f32-depthwise-512", Op::DepthwiseF32, "f32·f32→{f32,s8}", Isa::Avx512Vnni, "16", "channels are the lanes, tap by tap; no patches", SCALAR),
    entry("generic-f32-conv4x16", Op::ConvFloat, "f32·{f32,f16,bf16,s8}→{f32,s8}", Isa::Generic, "4x16", "the tile of the product, rows read from a padded image; no patches", INTEL),
    entry("generic-s8s8s32-conv-1x16", Op::ConvS8, "s8·s8→{f32,s8}", Isa::Generic, "1x16", "scalar, rows read from a padded image; no patches; exact", INTEL),
    entry("x86_64-f32-conv6x16", Op::ConvFloat, "f32·{f32,f16,bf16,s8}→{f32,s8}", Isa::Avx2, "6x16", "the tile of the product, rows read from a padded image; no patches", INTEL),
    entry("x86_64-s8s8s32-conv-6x16", Op::ConvS8, "s8·s8→{f32,s8}", Isa::Avx2, "6x16", "vpmaddwd, rows read from a padded image; no patches; exact", INTEL),
    entry("x86_64-s8s8s32-conv-vnni6x16", Op::ConvS8, "s8·s8→{f32,s8}", Isa::AvxVnni, "6x16", "vpdpbusd in 256 bits, rows read from a padded image; no patches; exact", INTEL),
    entry("x86_64-f32-conv12x32", Op::ConvFloat, "f32·{f32,f16,bf16,s8}→{f32,s8}", Isa::Avx512Vnni, "12x32", "the tile of the product, rows read from a padded image; no patches", INTEL),
    entry("x86_64-s8s8s32-conv-vnni12x32", Op::ConvS8, "s8·s8→{f32,s8}", Isa::Avx512Vnni, "12x32", "vpdpbusd in 512 bits, rows read from a padded image; no patches; exact", INTEL),
    entry("aarch64-s8s8s32-dot5x16", Op::GemmS8, "s8·s8→s32", Isa::NeonDot, "5x16", "sdot; exact", ARM),
    entry("aarch64-u8s8s32-dot5x16", Op::GemmU8, "u8·s8→s32", Isa::NeonDot, "5x16", "sdot, activations moved down by 128; exact", ARM),
    entry("aarch64-s8s8s32-conv-dot5x16", Op::ConvS8, "s8·s8→{f32,s8}", Isa::NeonDot, "5x16", "sdot, rows read from a padded image; no patches; exact", ARM),
    entry("aarch64-f32-fma6x16", Op::GemmFloat, "f32·{f32,f16,bf16,s8}→f32", Isa::NeonDot, "6x16", "fused multiply-add in 128 bits over packed panels; narrow weights are widened a panel at a time", ARM),
    entry("aarch64-f32-conv6x16", Op::ConvFloat, "f32·{f32,f16,bf16,s8}→{f32,s8}", Isa::NeonDot, "6x16", "the tile of the product, rows read from a padded image; no patches", ARM),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_named_after_the_architecture() {
        let ids: BTreeSet<_> = ALL.iter().map(|e| e.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for e in ALL {
            let arch = match e.isa {
                Isa::Generic => "generic-",
                Isa::Avx2 | Isa::AvxVnni | Isa::Avx512Vnni => "x86_64-",
                Isa::NeonDot => "aarch64-",
            };
            assert!(e.id.starts_with(arch), "{}", e.id);
            assert!(!e.summary.is_empty() && !e.source.is_empty());
        }
    }

    #[test]
    fn every_family_has_at_most_one_kernel_per_isa_and_always_one_that_it_builds_on() {
        for &op in Op::ALL {
            for &isa in Isa::ALL {
                let found = ALL.iter().filter(|e| e.isa == isa && e.op == op).count();
                let needed = usize::from(matches!(isa, Isa::Generic | Isa::Avx2));
                assert!((needed..=1).contains(&found), "{op} on {isa}");
            }
        }
    }
}
