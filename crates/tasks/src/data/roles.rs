//! Which array is which input, and which the target.

use calibench_quant::{QuantError, nearest};

use super::source::{ArrayInfo, Kind, Pool};
use super::{Columns, DataError, DataSpec, InputSignature};
use crate::DatasetError;

/// Names, in any case, of an array that is a model's only input.
const INPUTS: &[&str] = &["x", "image", "images", "input", "inputs", "data", "features", "pixel_values"];

/// Names, in any case, of the targets.
const TARGETS: &[&str] = &["y", "label", "labels", "target", "targets"];

/// Indices of arrays in the pool.
pub(super) struct Roles {
    /// For each of the model's inputs; several are columns side by side.
    pub(super) inputs: Vec<Vec<usize>>,
    pub(super) target: Option<Vec<usize>>,
}

/// Finds the roles, see the rules in the module's documentation.
pub(super) fn resolve(
    spec: &DataSpec,
    signature: &[InputSignature],
    pool: &Pool,
) -> Result<Roles, DataError> {
    let mut inputs = explicit_inputs(spec, signature, pool)?;
    let named_input = |name: &str| signature.iter().any(|s| s.name == name);
    let taken = |inputs: &[Option<Vec<usize>>], index| inputs.iter().flatten().any(|i| i.contains(&index));

    let target = match &spec.target {
        Some(columns) => Some(find_all("target", columns, pool)?),
        None if spec.metric.as_deref() == Some("fidelity") => None,
        None => {
            let free = |(index, info): (usize, &ArrayInfo)| {
                let target = is_one_of(&info.name, TARGETS) && !named_input(&info.name);
                (target && !taken(&inputs, index)).then_some(index)
            };
            let found: Vec<usize> = pool.infos().enumerate().filter_map(free).collect();
            match found[..] {
                [] => None,
                [target] => Some(vec![target]),
                _ => return Err(ambiguous("target", &found, pool, "target")),
            }
        }
    };
    if target.is_none() && spec.metric.as_deref().is_some_and(|m| m != "fidelity") {
        let metric = spec.metric.as_deref().unwrap_or_default();
        let reason =
            format!("the metric `{metric}` needs one, and no array has a name such as `y` or `labels`");
        return Err(unknown(
            "target",
            reason,
            pool,
            "Say `target = \"NAME\"`, or use the metric `fidelity`.",
        ));
    }
    let is_target = |index| target.as_ref().is_some_and(|t: &Vec<usize>| t.contains(&index));

    for (slot, input) in inputs.iter_mut().zip(signature) {
        let named = pool.find(&input.name).filter(|index| !is_target(*index));
        *slot = slot.take().or(named.map(|index| vec![index]));
    }
    let open: Vec<usize> = (0..inputs.len()).filter(|i| inputs[*i].is_none()).collect();
    if let [only] = open[..] {
        let free: Vec<usize> =
            (0..pool.infos().len()).filter(|i| !is_target(*i) && !taken(&inputs, *i)).collect();
        inputs[only] = Some(only_input(&signature[only].name, &free, signature.len() == 1, pool)?);
    } else if let Some(first) = open.first() {
        let names: Vec<String> = open.iter().map(|i| format!("`{}`", signature[*i].name)).collect();
        let reason = format!("no array has the name of the inputs {}", names.join(", "));
        let advice = "Say `inputs.NAME = \"ARRAY\"` for each.";
        return Err(unknown(&format!("input `{}`", signature[*first].name), reason, pool, advice));
    }
    Ok(Roles { inputs: inputs.into_iter().flatten().collect(), target })
}

/// What the description says of each input.
fn explicit_inputs(
    spec: &DataSpec,
    signature: &[InputSignature],
    pool: &Pool,
) -> Result<Vec<Option<Vec<usize>>>, DataError> {
    if spec.input.is_some() && signature.len() != 1 {
        let names: Vec<&str> = signature.iter().map(|s| &*s.name).collect();
        let reason = format!("the model has the inputs {}; use `inputs.NAME` for each", names.join(", "));
        return Err(DataError::Entry { key: "input", reason });
    }
    let mut inputs = vec![None; signature.len()];
    if let Some(columns) = &spec.input {
        inputs[0] = Some(find_all("input", columns, pool)?);
    }
    for (name, columns) in &spec.inputs {
        let known = signature.iter().map(|s| &*s.name);
        let Some(place) = signature.iter().position(|s| s.name == *name) else {
            let unknown = QuantError::Unknown {
                what: "input of the model",
                name: name.clone(),
                suggestion: nearest(name, known.clone()).map(str::to_owned),
                known: known.collect::<Vec<_>>().join(", "),
            };
            return Err(DatasetError::Unknown(unknown).into());
        };
        inputs[place] = Some(find_all("input", columns, pool)?);
    }
    Ok(inputs)
}

/// The array for the one input that nothing names.
fn only_input(name: &str, free: &[usize], alone: bool, pool: &Pool) -> Result<Vec<usize>, DataError> {
    let role = format!("input `{name}`");
    let known: Vec<usize> =
        free.iter().copied().filter(|i| alone && is_one_of(&pool.info(*i).name, INPUTS)).collect();
    if let [index] = known[..] {
        return Ok(vec![index]);
    }
    let number = |i: &usize| matches!(pool.info(*i).kind, Kind::Whole | Kind::Real);
    let columns = alone && free.iter().all(|i| pool.info(*i).column);
    match free {
        [] => Err(unknown(&role, "no array is left for it".to_owned(), pool, "Add it to the data.")),
        [index] => Ok(vec![*index]),
        _ if known.len() > 1 => Err(ambiguous(&role, &known, pool, "input")),
        // All columns of a table that are not the target, side by side.
        _ if columns && free.iter().all(number) => Ok(free.to_vec()),
        _ => Err(ambiguous(&role, free, pool, "input")),
    }
}

fn is_one_of(name: &str, known: &[&str]) -> bool {
    known.iter().any(|k| name.eq_ignore_ascii_case(k))
}

/// The arrays with these names, each once.
fn find_all(key: &'static str, columns: &Columns, pool: &Pool) -> Result<Vec<usize>, DataError> {
    if columns.0.is_empty() {
        return Err(DataError::Entry { key, reason: "the list is empty; name an array".to_owned() });
    }
    let find = |name: &String| {
        pool.find(name).ok_or_else(|| {
            let known = pool.infos().map(|info| &*info.name);
            let near = nearest(name, known).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
            let reason = format!("nothing is named `{name}`{near}");
            unknown(key, reason, pool, "Name one of these.")
        })
    };
    columns.0.iter().map(find).collect()
}

fn ambiguous(role: &str, found: &[usize], pool: &Pool, key: &str) -> DataError {
    const SHOWN: usize = 8;
    let mut names: Vec<String> =
        found.iter().take(SHOWN).map(|i| format!("`{}`", pool.info(*i).name)).collect();
    if found.len() > SHOWN {
        names.push(format!("{} more", found.len() - SHOWN));
    }
    let reason = format!("{} could all be", names.join(", "));
    unknown(role, reason, pool, &format!("Say `{key} = \"NAME\"`."))
}

fn unknown(role: &str, reason: String, pool: &Pool, advice: &str) -> DataError {
    DataError::Role { role: role.to_owned(), reason, contents: contents(pool), advice: advice.to_owned() }
}

/// Arrays with their shapes and kinds, the first of them when there are many.
fn contents(pool: &Pool) -> String {
    const SHOWN: usize = 20;
    let kind = |info: &ArrayInfo| match &info.kind {
        Kind::Whole => "whole numbers".to_owned(),
        Kind::Real => "numbers".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Other(name) => format!("`{name}`, which is not read"),
    };
    let describe = |info: &ArrayInfo| format!("`{}` {:?} ({})", info.name, info.shape, kind(info));
    let mut list: Vec<String> = pool.infos().take(SHOWN).map(describe).collect();
    let count = pool.infos().len();
    if count > SHOWN {
        list.push(format!("{} more", count - SHOWN));
    }
    if list.is_empty() { "no array".to_owned() } else { list.join(", ") }
}
