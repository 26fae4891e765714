//! From tensors to the buffers that they were given.

use super::step::Step;
use super::storage::Slot;

impl Step {
    /// Replaces every slot.
    pub(super) fn remap(&mut self, f: impl Fn(Slot) -> Slot) {
        let all: Vec<&mut Slot> = match self {
            Self::Quantize { from, to, .. }
            | Self::Dequantize { from, to, .. }
            | Self::Round { from, to, .. }
            | Self::Scale { from, to, .. }
            | Self::AddParam { from, to, .. }
            | Self::MeanRows { from, to, .. }
            | Self::Permute { from, to, .. } => vec![from, to],
            Self::Activate { from, to, .. }
            | Self::LayerNorm { from, to, .. }
            | Self::Softmax { from, to, .. } => vec![from, &mut to.slot],
            Self::General(general) => general.slots(),
            Self::Pool(pool) => vec![&mut pool.from, &mut pool.to],
            Self::Lookup(lookup) => vec![&mut lookup.from, &mut lookup.to],
            Self::Add { lhs, rhs, to, .. } => vec![lhs, rhs, to],
            Self::Product(p) => {
                let residual = p.residual.as_mut().map(|operand| &mut operand.slot);
                [&mut p.input.slot, &mut p.to.slot].into_iter().chain(residual).collect()
            }
            Self::MatMul(m) => {
                [&mut m.lhs.slot, &mut m.rhs.slot, &mut m.to.slot].into_iter().chain(&mut m.mask).collect()
            }
        };
        for slot in all {
            *slot = f(*slot);
        }
    }
}
