//! Rewrites that keep what a graph computes.
//!
//! Exporters spell out what their framework has as one operation. [`canonical`] finds it again: quantization,
//! kernels and reports then see a linear layer, a GELU or a layer normalisation, whichever exporter wrote the file.

mod fold_batch_norm;
mod fuse_bias;
mod fuse_gelu;
mod fuse_layer_norm;
mod links;
mod prune;
mod split_batch_norm;
mod transpose_matmul;

pub use fold_batch_norm::fold_batch_norm;
pub use fuse_bias::fuse_bias;
pub use fuse_gelu::fuse_gelu;
pub use fuse_layer_norm::fuse_layer_norm;
pub use prune::prune;
pub use split_batch_norm::split_batch_norm;
pub use transpose_matmul::transpose_matmul;

use crate::{Graph, GraphError};

/// A pass: an equal graph, or the reason why the given one is not valid.
pub type Pass = fn(&Graph) -> Result<Graph, GraphError>;

/// Every pass of [`canonical`] with its name, in order.
pub const ALL: &[(&str, Pass)] = &[
    ("prune", |g| Ok(prune(g))),
    ("fold_batch_norm", fold_batch_norm),
    ("split_batch_norm", split_batch_norm),
    ("fuse_bias", fuse_bias),
    ("fuse_layer_norm", fuse_layer_norm),
    ("fuse_gelu", |g| Ok(fuse_gelu(g))),
    ("transpose_matmul", |g| Ok(transpose_matmul(g))),
];

/// The graph after every pass.
///
/// # Errors
/// [`GraphError`] for a graph that is not valid before or after a pass.
pub fn canonical(graph: &Graph) -> Result<Graph, GraphError> {
    graph.validate()?;
    let mut graph = graph.clone();
    for (_, pass) in ALL {
        graph = pass(&graph)?;
        graph.validate()?;
    }
    Ok(graph)
}
