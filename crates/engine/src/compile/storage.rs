//! Buffers for activations, shared by values that are never alive together.

use calibench_kernels::Aligned;

/// Element type of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    F32,
    I8,
    I16,
}

impl Kind {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I8 => 1,
            Self::I16 => 2,
        }
    }
}

/// A buffer of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub kind: Kind,
    pub index: usize,
}

/// A tensor that needs memory from one step to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    pub kind: Kind,
    /// Elements per sample.
    pub len: usize,
    /// The step that writes it first.
    pub born: usize,
    /// The last step that reads it.
    pub dies: usize,
}

/// Which buffer each tensor uses, and how long the buffers are.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Elements per sample of each f32, i8 and i16 buffer.
    lens: [Vec<usize>; 3],
}

impl Assignment {
    /// Gives each tensor a buffer; tensors alive at the same step never share one. Among the free
    /// buffers the one that fits most tightly is taken, else the largest is grown.
    pub(super) fn assign(tensors: &[Lifetime]) -> (Self, Vec<Slot>) {
        let mut assignment = Self::default();
        let mut busy_until: [Vec<usize>; 3] = Default::default();
        let mut order: Vec<usize> = (0..tensors.len()).collect();
        order.sort_by_key(|i| (tensors[*i].born, *i));
        let mut slots = vec![Slot { kind: Kind::F32, index: 0 }; tensors.len()];
        for i in order {
            let tensor = tensors[i];
            let lens = &mut assignment.lens[tensor.kind as usize];
            let busy = &mut busy_until[tensor.kind as usize];
            let free = (0..lens.len()).filter(|b| busy[*b] < tensor.born);
            let fits = |b: &usize| lens[*b] >= tensor.len;
            let tight = free.clone().filter(fits).min_by_key(|b| lens[*b]);
            let index = tight.or_else(|| free.max_by_key(|b| lens[*b])).unwrap_or_else(|| {
                lens.push(0);
                busy.push(0);
                lens.len() - 1
            });
            lens[index] = lens[index].max(tensor.len);
            busy[index] = tensor.dies;
            slots[i] = Slot { kind: tensor.kind, index };
        }
        (assignment, slots)
    }
}

/// The buffers themselves, sized for the largest batch.
#[derive(Debug)]
pub(super) struct Buffers {
    f32: Vec<Aligned<f32>>,
    i8: Vec<Aligned<i8>>,
    i16: Vec<Aligned<i16>>,
}

macro_rules! accessors {
    ($get:ident, $take:ident, $put:ident, $field:ident, $t:ty) => {
        pub(super) fn $get(&self, slot: Slot) -> &[$t] {
            &self.$field[slot.index]
        }

        /// Takes a buffer out so that others can be read while it is written; put it back after.
        pub(super) fn $take(&mut self, slot: Slot) -> Aligned<$t> {
            std::mem::take(&mut self.$field[slot.index])
        }

        pub(super) fn $put(&mut self, slot: Slot, buffer: Aligned<$t>) {
            self.$field[slot.index] = buffer;
        }
    };
}

impl Buffers {
    pub(super) fn new(assignment: &Assignment, max_batch: usize) -> Self {
        let lens = |kind: Kind| assignment.lens[kind as usize].iter().map(move |len| len * max_batch);
        Self {
            f32: lens(Kind::F32).map(Aligned::zeroed).collect(),
            i8: lens(Kind::I8).map(Aligned::zeroed).collect(),
            i16: lens(Kind::I16).map(Aligned::zeroed).collect(),
        }
    }

    accessors!(f32, take_f32, put_f32, f32, f32);
    accessors!(i8, take_i8, put_i8, i8, i8);
    accessors!(i16, take_i16, put_i16, i16, i16);

    pub(super) fn f32_mut(&mut self, slot: Slot) -> &mut [f32] {
        &mut self.f32[slot.index]
    }

    /// Buffers that hold these values, for tests of steps.
    #[cfg(test)]
    pub(super) fn of_f32(values: &[Vec<f32>]) -> Self {
        let filled = |values: &Vec<f32>| {
            let mut buffer = Aligned::zeroed(values.len());
            buffer.copy_from_slice(values);
            buffer
        };
        Self { f32: values.iter().map(filled).collect(), i8: Vec::new(), i16: Vec::new() }
    }

    pub(super) fn bytes(&self) -> u64 {
        let total = self.f32.iter().map(|b| b.len()).sum::<usize>() * Kind::F32.bytes()
            + self.i8.iter().map(|b| b.len()).sum::<usize>() * Kind::I8.bytes()
            + self.i16.iter().map(|b| b.len()).sum::<usize>() * Kind::I16.bytes();
        total as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_alive_together_never_share_and_dead_ones_are_reused() {
        let t = |len, born, dies| Lifetime { kind: Kind::F32, len, born, dies };
        let (assignment, slots) = Assignment::assign(&[t(10, 0, 1), t(20, 1, 2), t(5, 2, 3), t(8, 3, 3)]);
        assert_ne!(slots[0], slots[1]);
        assert_eq!(slots[2], slots[0], "the first is dead when the third is born");
        assert_ne!(slots[3], slots[2]);
        assert_eq!(assignment.lens[0].len(), 2);
    }
}
