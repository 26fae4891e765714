use std::collections::HashMap;

use calibench_store::write_parquet_columns;

use super::*;

/// Two features per row, three classes: a small dataset to break.
fn table(features: [Vec<f64>; 2], labels: Vec<i64>) -> ColumnTable {
    let rows = labels.len();
    let splits = ["train", "calibration", "test"].iter().cycle().take(rows).map(|s| (*s).to_owned());
    let [a, b] = features;
    ColumnTable {
        names: ["split", "label", "a", "b"].map(str::to_owned).to_vec(),
        columns: vec![Column::Str(splits.collect()), Column::Int(labels), Column::Float(a), Column::Float(b)],
        rows,
    }
}

fn good() -> ColumnTable {
    table([vec![0.0, 1.0, 2.0], vec![4.0, 5.0, 6.0]], vec![0, 1, 2])
}

/// Writes the folder; `hash` replaces the right one.
fn folder(table: &ColumnTable, hash: Option<&str>, cut: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut bytes = write_parquet_columns(table).unwrap();
    bytes.truncate(bytes.len() - cut);
    std::fs::write(&path, &bytes).unwrap();
    let real: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let manifest = format!(
        "id = 't'\nname = 't'\nversion = '1'\nlicence = 'CC0-1.0'\nfile = 't.parquet'\nsha256 = '{}'\n\
         metric = 'top1'\nshape = [2]\nclasses = 3\nscale = 2.0\n[source]\nurl = ''\ncitation = ''\n\
         [splits]\ntrain = 1\ncalibration = 1\ntest = 1\n",
        hash.unwrap_or(&real)
    );
    std::fs::write(folder.path().join("dataset.toml"), manifest).unwrap();
    folder
}

fn refused(table: &ColumnTable) -> String {
    Dataset::load_dir(folder(table, None, 0).path()).unwrap_err().to_string()
}

#[test]
fn every_embedded_dataset_loads() {
    for entry in ALL {
        let data = Dataset::embedded(entry.id).unwrap();
        assert_eq!(data.meta.id, entry.id);
        assert!(!entry.summary.is_empty());
        let mut owner: HashMap<Vec<u32>, usize> = HashMap::new();
        for (split, samples) in [&data.train, &data.calibration, &data.test].into_iter().enumerate() {
            for sample in samples.input().data.chunks_exact(samples.input().sample_len()) {
                let bits = sample.iter().map(|x| x.to_bits()).collect();
                assert_eq!(*owner.entry(bits).or_insert(split), split, "a sample is in two splits");
            }
        }
    }
}

#[test]
fn digits_are_what_the_readme_says() {
    let digits = Dataset::embedded("digits").unwrap();
    assert_eq!([digits.train.len(), digits.calibration.len(), digits.test.len()], [1097, 200, 500]);
    for samples in [&digits.train, &digits.calibration, &digits.test] {
        assert!(samples.input().data.iter().all(|x| (0.0..=1.0).contains(x)));
        for class in 0..10 {
            let share = samples.labels().unwrap().iter().filter(|l| **l == class).count() as f64
                / samples.len() as f64;
            assert!((0.09..0.11).contains(&share), "class {class}: {share}");
        }
        assert_eq!(samples.batch(samples.len() - 1..samples.len() + 9)[0].len(), 64);
    }
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    let error = Dataset::embedded("digit").unwrap_err().to_string();
    assert!(error.contains("did you mean `digits`"), "{error}");
}

#[test]
fn features_are_divided_by_the_scale() {
    let data = Dataset::load_dir(folder(&good(), None, 0).path()).unwrap();
    assert_eq!(data.calibration.input().data, [0.5, 2.5]);
    assert_eq!(data.test.labels().unwrap(), [2]);
}

#[test]
fn a_wrong_hash_names_both_and_what_to_do() {
    let folder = folder(&good(), Some("abc"), 0);
    let error = Dataset::load_dir(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expects abc") && error.contains("restore the file"), "{error}");
}

#[test]
fn a_truncated_table_is_refused() {
    let whole = folder(&good(), None, 0);
    let size = std::fs::metadata(whole.path().join("t.parquet")).unwrap().len() as usize;
    for cut in [1, 8, size / 2, size - 3, size] {
        let error = Dataset::load_dir(folder(&good(), None, cut).path()).unwrap_err();
        assert!(matches!(error, DatasetError::Table { .. }), "cut {cut}: {error}");
        assert!(error.to_string().contains("t.parquet"), "{error}");
    }
}

#[test]
fn values_that_are_not_finite_name_row_and_column() {
    for bad in [f64::NAN, f64::INFINITY, 1e300] {
        let error = refused(&table([vec![0.0, 1.0, 2.0], vec![4.0, bad, 6.0]], vec![0, 1, 2]));
        assert!(error.contains("row 1, column `b`"), "{error}");
    }
}

#[test]
fn labels_splits_and_columns_are_checked() {
    let features = || [vec![0.0; 3], vec![0.0; 3]];
    assert!(refused(&table(features(), vec![0, 3, 1])).contains("row 1, column `label`: 3 is not a class"));
    assert!(refused(&table(features(), vec![0, 1, -1])).contains("row 2, column `label`"));

    let four = table([vec![0.0; 4], vec![0.0; 4]], vec![0; 4]);
    assert!(refused(&four).contains("split `train` has 2 rows, dataset.toml expects 1"));

    let mut other = good();
    other.columns[0] = Column::Str(["train", "valid", "test"].map(str::to_owned).to_vec());
    assert!(refused(&other).contains("row 1, column `split`: `valid` is not a split"));

    let mut short = good();
    short.names.pop();
    short.columns.pop();
    assert!(refused(&short).contains("1 feature columns, shape [2] needs 2"));

    let mut renamed = good();
    renamed.names[1] = "class".to_owned();
    assert!(refused(&renamed).contains("column `label` is missing, needs integer"));
}

#[test]
fn a_manifest_with_an_unknown_key_or_a_missing_file_is_refused() {
    let folder = folder(&good(), None, 0);
    let manifest = folder.path().join("dataset.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("colour = 1\n{text}")).unwrap();
    assert!(Dataset::load_dir(folder.path()).unwrap_err().to_string().contains("colour"));
    std::fs::write(&manifest, text.replace("t.parquet", "../t.parquet")).unwrap();
    assert!(Dataset::load_dir(folder.path()).unwrap_err().to_string().contains("`file`"));
    std::fs::write(&manifest, text.replace("t.parquet", "u.parquet")).unwrap();
    assert!(Dataset::load_dir(folder.path()).unwrap_err().to_string().contains("u.parquet"));
    std::fs::remove_file(&manifest).unwrap();
    assert!(Dataset::load_dir(folder.path()).unwrap_err().to_string().contains("dataset.toml"));
}
