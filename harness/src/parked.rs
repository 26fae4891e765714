//! Parameters put aside on disk while something is measured that does not need them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use calibench_graph::{Graph, Tensor};

/// Parameters of some graphs, out of memory.
pub(crate) struct Parked {
    file: File,
    /// Elements of each tensor in the file, one after the other.
    lens: Vec<usize>,
    /// Which of them each graph's parameters are, by name in order.
    places: Vec<Vec<(Vec<usize>, usize)>>,
}

/// Numbers that are turned into bytes at a time.
const CHUNK: usize = 16 * 1024;

impl Parked {
    /// Takes the parameters out of the graphs; those that share memory are written once.
    ///
    /// # Errors
    /// When there is no room for them in the folder of temporary files. The graphs are then as they were.
    pub(crate) fn of(graphs: &mut [&mut Graph]) -> Result<Self> {
        let file = tempfile::tempfile().context("cannot make a temporary file")?;
        let mut writer = BufWriter::new(&file);
        let (mut known, mut lens): (Vec<*const f32>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut places = Vec::new();
        for graph in graphs.iter() {
            let mut of_graph = Vec::new();
            for tensor in graph.params.values() {
                let at = tensor.data().as_ptr();
                let place = known.iter().zip(&lens).position(|(k, len)| (*k, *len) == (at, tensor.len()));
                let place = match place {
                    Some(place) => place,
                    None => {
                        write(&mut writer, tensor.data()).context("cannot put parameters aside on disk")?;
                        known.push(at);
                        lens.push(tensor.len());
                        lens.len() - 1
                    }
                };
                of_graph.push((tensor.shape().to_vec(), place));
            }
            places.push(of_graph);
        }
        writer.flush().context("cannot put parameters aside on disk")?;
        drop(writer);
        let nothing = Tensor::new([0], Vec::new())?;
        for tensor in graphs.iter_mut().flat_map(|graph| graph.params.values_mut()) {
            tensor.clone_from(&nothing);
        }
        Ok(Self { file, lens, places })
    }

    /// Puts the parameters back into the same graphs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn restore(mut self, graphs: &mut [&mut Graph]) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).context("cannot read parameters back")?;
        let mut reader = BufReader::new(&self.file);
        let mut tensors = Vec::new();
        for len in self.lens {
            let data = read(&mut reader, len).context("cannot read parameters back")?;
            tensors.push(Tensor::new([len], data)?);
        }
        for (graph, places) in graphs.iter_mut().zip(self.places) {
            for (tensor, (shape, place)) in graph.params.values_mut().zip(places) {
                *tensor = tensors[place].reshaped(shape)?;
            }
        }
        Ok(())
    }
}

fn write(to: &mut impl Write, values: &[f32]) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(4 * CHUNK);
    for chunk in values.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
        to.write_all(&bytes)?;
    }
    Ok(())
}

fn read(from: &mut impl Read, len: usize) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(len);
    let mut bytes = vec![0; 4 * CHUNK];
    while values.len() < len {
        let some = &mut bytes[..4 * CHUNK.min(len - values.len())];
        from.read_exact(some)?;
        values.extend(some.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back_as_they_were_and_shared_ones_shared() {
        use calibench_graph::{Dim, GraphBuilder, Op};
        let mut builder = GraphBuilder::new("g", vec![Dim::Batch, Dim::Fixed(3)]);
        let weight = Tensor::new([2, 3], vec![1.5, -2.0, f32::MIN_POSITIVE, 0.0, 1e30, -0.0]).unwrap();
        let y = builder.add("fc", Op::Linear, &[builder.input()], vec![("w", weight)]).unwrap();
        let mut graph = builder.finish(y);
        let mut shared = graph.clone();
        let before = graph.clone();
        let parked = Parked::of(&mut [&mut graph, &mut shared]).unwrap();
        assert_eq!((parked.lens.len(), graph.params["w"].len()), (1, 0));
        parked.restore(&mut [&mut graph, &mut shared]).unwrap();
        assert_eq!(graph, before);
        assert_eq!(graph.params["w"].data().as_ptr(), shared.params["w"].data().as_ptr());
    }
}
