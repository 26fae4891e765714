//! `digits-cnn`: a small residual network with batch normalisation.

use calibench_graph::{Conv2d, Dim, Graph, GraphBuilder, GraphError, Op, ValueId};

use crate::ModelEntry;
use crate::init::{Init, filled};
use crate::train::{Recipe, SHIFT};

pub(crate) const ENTRY: ModelEntry = ModelEntry {
    id: "digits-cnn",
    summary: "residual network, 16 to 32 channels, conv + batch norm + ReLU (He et al. 2015)",
    dataset: "digits",
    build,
    recipe: Recipe { epochs: 14, batch: 32, learning_rate: 4e-3, weight_decay: 1e-2, shift: SHIFT },
};

/// Convolution and normalisation, with a ReLU when asked for.
struct Block<'b> {
    g: &'b mut GraphBuilder,
    init: &'b mut Init,
}

impl Block<'_> {
    fn conv(
        &mut self,
        name: &str,
        x: ValueId,
        [input, output, kernel, stride]: [usize; 4],
        relu: bool,
    ) -> Result<ValueId, GraphError> {
        let attributes = Conv2d::square(stride, kernel / 2);
        let weight = self.init.weight(&[output, input, kernel, kernel])?;
        let x = self.g.add(name, Op::Conv2d(attributes), &[x], vec![(&format!("{name}.weight"), weight)])?;
        let norm = format!("{name}.norm");
        let params = [
            (format!("{norm}.weight"), filled(&[output], 1.0)?),
            (format!("{norm}.bias"), filled(&[output], 0.0)?),
            (format!("{norm}.running_mean"), filled(&[output], 0.0)?),
            (format!("{norm}.running_var"), filled(&[output], 1.0)?),
        ];
        let params = params.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        let x = self.g.add(&norm, Op::BatchNorm2d { epsilon: 1e-5 }, &[x], params)?;
        if relu { self.g.add(&format!("{name}.relu"), Op::Relu, &[x], vec![]) } else { Ok(x) }
    }

    /// `relu(conv(relu(conv(x))) + shortcut(x))`, the shortcut a 1×1 convolution where shapes differ.
    fn residual(
        &mut self,
        name: &str,
        x: ValueId,
        [input, output, stride]: [usize; 3],
    ) -> Result<ValueId, GraphError> {
        let y = self.conv(&format!("{name}.conv1"), x, [input, output, 3, stride], true)?;
        let y = self.conv(&format!("{name}.conv2"), y, [output, output, 3, 1], false)?;
        let shortcut = if (input, stride) == (output, 1) {
            x
        } else {
            self.conv(&format!("{name}.shortcut"), x, [input, output, 1, stride], false)?
        };
        let sum = self.g.add(&format!("{name}.add"), Op::Add, &[y, shortcut], vec![])?;
        self.g.add(&format!("{name}.relu"), Op::Relu, &[sum], vec![])
    }
}

fn build(seed: u64) -> Result<Graph, GraphError> {
    let mut init = Init::new(seed);
    let shape = vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)];
    let mut g = GraphBuilder::new(ENTRY.id, shape);
    let x = g.input();
    let mut block = Block { g: &mut g, init: &mut init };
    let x = block.conv("stem", x, [1, 16, 3, 1], true)?;
    let x = block.residual("block1", x, [16, 16, 1])?;
    let x = block.residual("block2", x, [16, 32, 2])?;
    let x = g.add("pool", Op::GlobalAvgPool, &[x], vec![])?;
    let head = vec![("head.weight", init.glorot(&[10, 32])?), ("head.bias", filled(&[10], 0.0)?)];
    let x = g.add("head", Op::Linear, &[x], head)?;
    Ok(g.finish(x))
}
