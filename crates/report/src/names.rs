//! Short names of cells, from their ids alone.

use std::collections::{BTreeMap, BTreeSet};

use calibench_store::Row;

use crate::select::CellNames;

/// A cell as text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellName {
    /// Its model; empty where the id does not tell.
    pub model: String,
    /// Its configuration within the model: `int8 static mse`.
    pub configuration: String,
}

impl CellName {
    /// `int8 static mse of digits-cnn`.
    pub(crate) fn sentence(&self) -> String {
        match self.model.as_str() {
            "" => self.configuration.clone(),
            model => format!("{} of {model}", self.configuration),
        }
    }

    /// `digits-cnn int8 static mse`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.model, self.configuration).trim_start().to_owned()
    }
}

/// Short names of cells by their ids, each unique among them: `digits-cnn int8 static mse` for
/// `digits-cnn/int8/static/mse/per-channel/affine/avx2/t1/s1`, with granularity, symmetry, seed, threads and kernels where the
/// others differ in them. An id of another form is its own name. Line breaks and control characters become spaces.
#[must_use]
pub fn cell_names<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<&'a str, String> {
    let names = name_cells(&ids.into_iter().collect());
    names.into_iter().map(|(id, name)| (id, name.line())).collect()
}

/// [`cell_names`] in parts.
pub(crate) fn name_cells<'a>(ids: &BTreeSet<&'a str>) -> BTreeMap<&'a str, CellName> {
    let (rows, draws): (Vec<Row>, Vec<Option<u64>>) = ids.iter().map(|id| keys(id)).unzip();
    let names = CellNames::new(&rows);
    let short = rows.iter().zip(draws).map(|(row, draw)| (row.model.as_str(), names.parts(row).0, draw));
    let short: Vec<(&str, String, Option<u64>)> = short.collect();
    let is_unique = |name: &(&str, String, Option<u64>)| {
        !name.1.is_empty() && short.iter().filter(|other| *other == name).count() == 1
    };
    let name = |(row, short): (&Row, &(&str, String, Option<u64>))| {
        let configuration = if is_unique(short) { short.1.clone() } else { names.name(row) };
        let draw = short.2.map_or_else(String::new, |draw| format!(", draw {draw}"));
        CellName { model: one_line(&row.model), configuration: one_line(&format!("{configuration}{draw}")) }
    };
    ids.iter().copied().zip(rows.iter().zip(&short).map(name)).collect()
}

/// The axis values that the id of a cell is made of (`Cell::id` of the harness), and the draw of its calibration samples,
/// which ids of cells without draws leave away; of any other text, the text alone.
fn keys(id: &str) -> (Row, Option<u64>) {
    let number = |text: &str, letter: char| text.strip_prefix(letter)?.parse::<u64>().ok();
    let opaque = || (Row { cell: id.to_owned(), ..Row::default() }, None);
    let drawn = id.rsplit_once('/').and_then(|(cell, draw)| Some((cell, number(draw, 'd')?)));
    let (cell, draw) = drawn.map_or((id, None), |(cell, draw)| (cell, Some(draw)));
    let parts: Vec<&str> = cell.rsplitn(9, '/').collect();
    let [seed, threads, isa, symmetry, granularity, calibrator, timing, dtype, model] = parts[..] else {
        return opaque();
    };
    let threads = number(threads, 't').and_then(|n| u32::try_from(n).ok());
    let (Some(seed), Some(threads)) = (number(seed, 's'), threads) else {
        return opaque();
    };
    let own = str::to_owned;
    let row = Row {
        cell: own(id),
        model: own(model),
        dtype: own(dtype),
        timing: own(timing),
        calibrator: own(calibrator),
        granularity: own(granularity),
        symmetry: own(symmetry),
        isa: own(isa),
        threads,
        seed,
        ..Row::default()
    };
    (row, draw)
}

/// Text of several lines as one, without control characters, which could move the cursor of a terminal.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_shortly_as_tells_them_apart() {
        let ids = [
            "m/int8/static/mse/per-channel/affine/avx2/t1/s1",
            "m/int8/static/minmax/per-channel/affine/avx2/t1/s1",
            "m/int8/static/minmax/per-tensor/affine/avx2/t1/s1",
            "dir/net.onnx/fp32/none/none/none/none/avx2/t1/s1",
        ];
        let names = cell_names(ids);
        let names = ids.map(|id| names[id].as_str());
        let of_two = ["m int8 static minmax per-channel affine", "m int8 static minmax per-tensor affine"];
        assert_eq!(names, ["m int8 static mse", of_two[0], of_two[1], "dir/net.onnx fp32"]);
        assert_eq!(name_cells(&BTreeSet::from(ids))[ids[0]].sentence(), "int8 static mse of m");
    }

    #[test]
    fn seeds_threads_and_kernels_are_named_where_they_vary() {
        let ids =
            ["m/int8/dynamic/none/none/none/avx2/t1/s1", "m/int8/dynamic/none/none/none/onnxruntime/t2/s7"];
        let names = cell_names(ids);
        assert_eq!(names[ids[1]], "m int8 dynamic, seed 7, 2 threads, onnxruntime");
    }

    #[test]
    fn an_id_of_another_form_is_its_own_name() {
        let ids = ["a/b", "", "a/d1", "m/int8/static/mse/per-channel/affine/avx2/tx/s1"];
        let names = cell_names(ids);
        assert_eq!(ids.map(|id| names[id].as_str()), ids);
    }

    #[test]
    fn the_draw_of_calibration_samples_is_named() {
        let ids = ["", "/d1"].map(|draw| format!("m/int8/static/mse/per-channel/affine/avx2/t1/s1{draw}"));
        let names = cell_names(ids.iter().map(String::as_str));
        assert_eq!(
            names.into_values().collect::<Vec<_>>(),
            ["m int8 static mse", "m int8 static mse, draw 1"]
        );
    }
}
