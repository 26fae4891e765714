//! What an interpreter computes on.

use std::sync::{Mutex, PoisonError};

use candle_core::{Device, utils::cuda_is_available};

use crate::EngineError;

static FIRST_GPU: Mutex<Option<Device>> = Mutex::new(None);

/// A CPU, or a GPU through CUDA.
#[derive(Debug, Clone)]
pub struct Processor {
    pub(super) device: Device,
    /// Whether operators are composed of what candle has on every device. On a CPU the others are loops of our own, which are
    /// faster, sum in 64-bit floats and have gradients.
    pub(super) portable: bool,
}

impl Processor {
    /// The CPU.
    #[must_use]
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, portable: false }
    }

    /// The CPU, with the operations that a GPU runs: for tests on machines that have none.
    #[must_use]
    pub fn portable_cpu() -> Self {
        Self { device: Device::Cpu, portable: true }
    }

    /// CUDA's first GPU: one handle for the whole process, since each new one loads all kernels again.
    ///
    /// # Errors
    /// [`EngineError::Cuda`] in a build without the feature `cuda`, and where there is no such GPU.
    pub fn cuda() -> Result<Self, EngineError> {
        if !cuda_is_available() {
            return Err(EngineError::Cuda {
                reason: "this build has no CUDA support; with CUDA's toolkit installed, build with \
                         `cargo build --release --features cuda`"
                    .to_owned(),
            });
        }
        let mut first = FIRST_GPU.lock().unwrap_or_else(PoisonError::into_inner);
        let device = match &*first {
            Some(device) => device.clone(),
            None => {
                let opened = Device::new_cuda(0);
                let reason = |error| format!("the first GPU cannot be used: {error}");
                first.insert(opened.map_err(|e| EngineError::Cuda { reason: reason(e) })?).clone()
            }
        };
        Ok(Self { device, portable: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_cuda_says_how_to_get_one() {
        if !cuda_is_available() {
            let error = Processor::cuda().unwrap_err().to_string();
            assert!(error.contains("--features cuda"), "{error}");
        }
    }
}
