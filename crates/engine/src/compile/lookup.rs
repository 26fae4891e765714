//! Rows of a table by index, the table held as the plan's type has it.

use calibench_graph::eval::row_of;
use calibench_graph::{GraphError, Node, Op, holds_codes};
use calibench_kernels::Kernels;
use calibench_quant::Dtype;

use super::lower::Lowering;
use super::step::{Context, Step};
use super::storage::{Buffers, Slot};
use super::values::Layout;
use crate::EngineError;

/// `[…]` of indices to `[…, width]`.
#[derive(Debug)]
pub(super) struct Lookup {
    pub name: String,
    pub table: Table,
    /// Rows of the table.
    rows: usize,
    pub width: usize,
    /// Indices per sample.
    pub len: usize,
    pub from: Slot,
    pub to: Slot,
}

/// The numbers of a table.
#[derive(Debug)]
pub(super) enum Table {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
    /// Codes, with one scale or one for each row.
    S8 {
        codes: Vec<i8>,
        scale: Vec<f32>,
    },
}

impl Table {
    fn read(&self, row: usize, kernels: Kernels, out: &mut [f32]) {
        let at = row * out.len()..(row + 1) * out.len();
        match self {
            Self::F32(data) => out.copy_from_slice(&data[at]),
            Self::F16(data) => kernels.f16_to_f32(&data[at], out),
            Self::Bf16(data) => kernels.bf16_to_f32(&data[at], out),
            Self::S8 { codes, scale } => {
                let scale = scale[if scale.len() == 1 { 0 } else { row }];
                kernels.dequantize_s8(&codes[at], scale, 0, out);
            }
        }
    }

    /// Bytes of an element, in `explain`'s words and in number.
    pub(super) fn element(&self) -> (&'static str, usize) {
        match self {
            Self::F32(_) => ("f32", 4),
            Self::F16(_) => ("f16", 2),
            Self::Bf16(_) => ("bf16", 2),
            Self::S8 { .. } => ("s8", 1),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::F32(data) => 4 * data.len(),
            Self::F16(data) | Self::Bf16(data) => 2 * data.len(),
            Self::S8 { codes, scale } => codes.len() + 4 * scale.len(),
        }
    }
}

impl Lookup {
    pub(super) fn run(
        &self,
        batch: usize,
        buffers: &mut Buffers,
        context: &Context,
    ) -> Result<(), EngineError> {
        let mut out = buffers.take_f32(self.to);
        let indices = &buffers.f32(self.from)[..batch * self.len];
        let rows = indices.iter().zip(out.chunks_exact_mut(self.width.max(1)));
        let mut found = Ok(());
        for (index, out) in rows {
            match row_of(*index, self.rows) {
                Ok(row) => self.table.read(row, context.kernels, out),
                Err(reason) => {
                    let (node, op) = (self.name.clone(), Op::Embedding.name());
                    found = Err(GraphError::Shape { node, op, reason }.into());
                    break;
                }
            }
        }
        buffers.put_f32(self.to, out);
        found
    }

    pub(super) fn weight_bytes(&self) -> u64 {
        self.table.bytes() as u64
    }

    /// Bytes of the table that a sample reads.
    pub(super) fn table_traffic(&self) -> usize {
        self.len * self.width * self.table.element().1
    }
}

impl Lowering<'_> {
    /// Lowers an embedding.
    pub(super) fn lookup(&mut self, node: &Node) -> Result<(), EngineError> {
        let table = self.graph.params_of(node)?[0];
        let &[rows, width] = table.shape() else {
            return Err(self.unsupported(node, "needs a table of rows"));
        };
        let narrowed = |narrow: fn(&Kernels, &[f32], &mut [u16])| {
            let mut halves = vec![0; table.len()];
            narrow(&self.kernels, table.data(), &mut halves);
            halves
        };
        let table = match self.dtype {
            dtype if dtype.is_integer() && holds_codes(self.graph, node) => {
                let qparams = self.weight_params(node)?;
                let code = |(i, w): (usize, &f32)| qparams.quantize(*w, i / width.max(1)) as i8;
                let codes = table.data().iter().enumerate().map(code).collect();
                Table::S8 { codes, scale: qparams.scale.clone() }
            }
            Dtype::Fp16Storage | Dtype::Fp16Compute => Table::F16(narrowed(Kernels::f32_to_f16)),
            Dtype::Bf16Storage | Dtype::Bf16Compute => Table::Bf16(narrowed(Kernels::f32_to_bf16)),
            _ => Table::F32(table.data().to_vec()),
        };
        let indices = self.float(node.inputs[0], Layout::Plain)?;
        let (len, from) = (self.len(node.inputs[0]), self.read(indices));
        let out = self.new_f32(node.output);
        let (name, to) = (node.name.clone(), self.slot(out));
        self.push(Step::Lookup(Box::new(Lookup { name, table, rows, width, len, from, to })));
        self.define_float(node.output, out, Layout::Plain)
    }
}
