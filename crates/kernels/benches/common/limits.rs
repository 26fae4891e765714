//! What a core can do at most: the instructions of each kernel on registers alone, to be read beside the products.

#[cfg(target_arch = "x86_64")]
pub use x86_64::available;

/// The instructions of a kernel, repeated.
pub struct Limit {
    pub name: &'static str,
    /// Multiply-accumulates of a run.
    pub macs: usize,
    /// Must only be called where its instructions are available.
    run: unsafe fn(),
}

impl Limit {
    /// Runs them.
    pub fn run(&self) {
        // SAFETY: `available` gives only those whose instruction set is there.
        unsafe { (self.run)() }
    }
}

/// The limits that this machine has the instructions for: none are known of this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub fn available() -> Vec<Limit> {
    Vec::new()
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::{
        arch::{asm, x86_64::*},
        hint::black_box,
    };

    use calibench_kernels::Isa;

    use super::Limit;

    /// Sums at a time: more than latencies and units need, and few enough for 16 registers.
    const SUMS: usize = 10;
    /// Additions to each sum.
    const STEPS: usize = 20_000;

    /// A function that adds to each of the sums `STEPS` times, by an expression over two operands and the sum.
    macro_rules! limit {
        ($name:ident, $features:literal, $register:ident, $zero:expr, ($a:ident, $b:ident) = $operand:expr, $sum:ident => $next:expr) => {
            #[target_feature(enable = $features)]
            fn $name() {
                let (mut $a, mut $b) = ($operand, $operand);
                let mut sums = [$zero; SUMS];
                for _ in 0..STEPS {
                    for $sum in &mut sums {
                        // SAFETY: no instruction at all; the compiler only forgets what the two registers hold.
                        unsafe {
                            asm!("/* {0} {1} */", inout($register) $a, inout($register) $b,
                                options(nomem, nostack, preserves_flags));
                        }
                        *$sum = $next;
                    }
                }
                black_box(sums);
            }
        };
    }

    limit!(fma_256, "avx2,fma", ymm_reg, _mm256_setzero_ps(), (a, b) = _mm256_set1_ps(0.5),
        sum => _mm256_fmadd_ps(a, b, *sum));
    limit!(fma_512, "avx512f", zmm_reg, _mm512_setzero_ps(), (a, b) = _mm512_set1_ps(0.5),
        sum => _mm512_fmadd_ps(a, b, *sum));
    limit!(maddwd, "avx2", ymm_reg, _mm256_setzero_si256(), (a, b) = _mm256_set1_epi16(3),
        sum => _mm256_add_epi32(*sum, _mm256_madd_epi16(a, b)));
    limit!(maddubs, "avx2", ymm_reg, _mm256_setzero_si256(), (a, b) = _mm256_set1_epi8(3),
        sum => _mm256_add_epi32(*sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1))));
    limit!(maddubs_twos, "avx2", ymm_reg, _mm256_setzero_si256(), (a, b) = _mm256_set1_epi8(3),
    sum => _mm256_add_epi32(*sum, _mm256_madd_epi16(
        _mm256_add_epi16(_mm256_maddubs_epi16(a, b), _mm256_maddubs_epi16(b, a)),
        _mm256_set1_epi16(1),
    )));
    limit!(dpbusd_256, "avx2,avxvnni", ymm_reg, _mm256_setzero_si256(), (a, b) = _mm256_set1_epi8(3),
        sum => _mm256_dpbusd_avx_epi32(*sum, a, b));
    limit!(dpbusd_512, "avx512f,avx512vnni", zmm_reg, _mm512_setzero_si512(), (a, b) = _mm512_set1_epi8(3),
        sum => _mm512_dpbusd_epi32(*sum, a, b));

    /// The limits that this machine has the instructions for.
    pub fn available() -> Vec<Limit> {
        // The number is of one addition to one sum.
        let limit = |name, run: unsafe fn(), isa: Isa, macs| {
            isa.is_available().then_some(Limit { name, macs: SUMS * STEPS * macs, run })
        };
        let all = [
            limit("vfmadd, 256 bits", fma_256, Isa::Avx2, 8),
            limit("vfmadd, 512 bits", fma_512, Isa::Avx512Vnni, 16),
            limit("vpmaddwd, vpaddd", maddwd, Isa::Avx2, 16),
            limit("vpmaddubsw, vpmaddwd, vpaddd", maddubs, Isa::Avx2, 32),
            limit("2 vpmaddubsw, vpaddw, vpmaddwd, vpaddd", maddubs_twos, Isa::Avx2, 64),
            limit("vpdpbusd, 256 bits", dpbusd_256, Isa::AvxVnni, 32),
            limit("vpdpbusd, 512 bits", dpbusd_512, Isa::Avx512Vnni, 64),
        ];
        all.into_iter().flatten().collect()
    }
}
