//! The user's data in every format: small files made here, and the shared real ones where they are.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail by panic, as it does")]

mod common;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use calibench_store::{Column, ColumnTable, write_parquet_columns};
use calibench_tasks::data::{Columns, Data, DataError, DataSpec, InputSignature, Layout, Paths, overlap};
use calibench_tasks::tensors::{Tensor, write_npy, write_safetensors};
use calibench_tasks::{Samples, Targets};
use flate2::Compression;
use flate2::write::GzEncoder;

/// 0 is any size.
fn input(name: &str, shape: &[usize]) -> InputSignature {
    let shape = shape.iter().map(|s| Some(*s).filter(|s| *s > 0)).collect();
    InputSignature { name: name.to_owned(), shape }
}

fn spec(path: &Path) -> DataSpec {
    DataSpec { path: Paths(vec![path.to_owned()]), ..DataSpec::default() }
}

fn columns(names: &[&str]) -> Option<Columns> {
    Some(Columns(names.iter().map(|n| (*n).to_owned()).collect()))
}

fn refused(spec: &DataSpec, signature: &[InputSignature]) -> String {
    Data::load(spec, signature).unwrap_err().to_string()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn longs(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn npz(&self, name: &str, arrays: &[(&str, &str, &str, &[u8])]) -> PathBuf {
        let members: Vec<_> = arrays
            .iter()
            .map(|(array, descr, shape, data)| (format!("{array}.npy"), common::npy(descr, shape, data)))
            .collect();
        let members: Vec<(&str, &[u8])> = members.iter().map(|(n, b)| (&**n, &**b)).collect();
        self.write(name, common::stored(&members))
    }
}

#[test]
fn an_npz_with_x_and_y_is_understood_and_channels_move_first() {
    let folder = Folder::new();
    let pixels: Vec<f32> = (0..12).map(|v| v as f32).collect();
    let path = folder.npz(
        "d.npz",
        &[
            ("X", "<f4", "(2, 1, 2, 3)", &floats(&pixels)),
            ("y", "<i8", "(2,)", &longs(&[4, 7])),
            ("distance", "<f8", "(2,)", &[0; 16]),
        ],
    );
    let data = Data::load(&spec(&path), &[input("image", &[3, 1, 2])]).unwrap();
    assert_eq!(data.samples.inputs[0].shape, [3, 1, 2]);
    assert_eq!(data.samples.inputs[0].data[..6], [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(data.samples.labels(), Some(&[4, 7][..]));
    assert!(data.notes.iter().any(|n| n.contains("transposed from channels last")), "{:?}", data.notes);
    assert!(data.notes[0].contains("input `image`: `X` of"), "{:?}", data.notes);

    let as_is = DataSpec { layout: Some(Layout::Nchw), ..spec(&path) };
    let error = refused(&as_is, &[input("image", &[3, 1, 2])]);
    assert!(error.contains("d.npz: `X` has samples of shape [1, 2, 3]"), "{error}");
    assert!(error.contains("input `image` takes [3, 1, 2]"), "{error}");
    assert!(refused(&spec(&path), &[input("image", &[3, 0])]).contains("takes [3, ?]"));
}

#[test]
fn a_lone_array_is_the_input_and_several_files_are_taken_together() {
    let folder = Folder::new();
    let write = |name: &str, shape: &[usize], values: Vec<f32>| {
        let path = folder.0.path().join(name);
        write_npy(&path, &Tensor::new("any", shape, values).unwrap()).unwrap();
        path
    };
    let signal = write("signal.npy", &[3, 2], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let gold = write("gold.npy", &[3], vec![0.5, 1.5, 2.5]);
    let data = Data::load(&spec(&signal), &[input("in", &[2])]).unwrap();
    assert_eq!((data.samples.len(), &data.samples.targets), (3, &Targets::None));

    let both = DataSpec {
        path: Paths(vec![signal, gold]),
        target: columns(&["gold"]),
        metric: Some("spearman".to_owned()),
        skip: 1,
        limit: Some(1),
        ..DataSpec::default()
    };
    let data = Data::load(&both, &[input("in", &[2])]).unwrap();
    assert_eq!(data.samples.batch(0..9), [&[2.0, 3.0]]);
    assert_eq!(data.samples.targets, Targets::Values { width: 1, data: vec![1.5] });
    let past = DataSpec { skip: 3, ..both };
    assert!(refused(&past, &[input("in", &[2])]).contains("leaves none of 3 samples"));
}

#[test]
fn several_inputs_are_found_by_name_and_integers_are_exact() {
    let folder = Folder::new();
    let path = folder.0.path().join("io.safetensors");
    let tensor = |name: &str, values: &[f32]| Tensor::new(name, &[2, 2], values.to_vec()).unwrap();
    write_safetensors(&path, &[tensor("mask", &[1.0; 4]), tensor("ids", &[1.0, 2.0, 3.0, 4.0])]).unwrap();
    let signature = [input("ids", &[0]), input("mask", &[0])];
    let data = Data::load(&spec(&path), &signature).unwrap();
    assert_eq!(data.samples.batch(1..2), [[3.0, 4.0], [1.0, 1.0]]);
    assert_eq!(data.samples.inputs.iter().map(|i| &*i.name).collect::<Vec<_>>(), ["ids", "mask"]);

    // Names that differ are given one by one.
    let other = [input("input_ids", &[0]), input("attention_mask", &[0])];
    assert!(refused(&spec(&path), &other).contains("`input_ids`, `attention_mask`"));
    let mut named = spec(&path);
    named.inputs.insert("input_ids".to_owned(), columns(&["ids"]).unwrap());
    named.inputs.insert("attention_mask".to_owned(), columns(&["mask"]).unwrap());
    assert_eq!(Data::load(&named, &other).unwrap().samples.batch(0..1), [[1.0, 2.0], [1.0, 1.0]]);
    named.inputs.insert("attention_masks".to_owned(), columns(&["mask"]).unwrap());
    assert!(refused(&named, &other).contains("did you mean `attention_mask`"));

    let big = folder.npz("big.npz", &[("ids", "<i8", "(1, 2)", &longs(&[1, (1 << 24) + 1]))]);
    let error = refused(&spec(&big), &[input("ids", &[0])]);
    assert!(error.contains("`ids`, row 0, column [1]") && error.contains("exactly"), "{error}");
}

#[test]
fn what_is_ambiguous_lists_what_the_data_hold() {
    let folder = Folder::new();
    let one = floats(&[0.0; 2]);
    let path = folder.npz(
        "d.npz",
        &[("arr_0", "<f4", "(2,)", &one), ("arr_1", "<f4", "(2,)", &one), ("odd", "<c8", "(2,)", &[0; 16])],
    );
    let error = refused(&spec(&path), &[input("in", &[])]);
    assert!(
        error.contains("cannot tell what the input `in` is: `arr_0`, `arr_1`, `odd` could all be"),
        "{error}"
    );
    assert!(error.contains("`arr_1` [2] (numbers), `odd` [2] (`<c8`, which is not read)"), "{error}");

    let chosen = DataSpec { input: columns(&["arr_0"]), ..spec(&path) };
    assert_eq!(Data::load(&chosen, &[input("in", &[])]).unwrap().samples.len(), 2);
    let top1 = DataSpec { metric: Some("top1".to_owned()), ..chosen.clone() };
    assert!(refused(&top1, &[input("in", &[])]).contains("the metric `top1` needs one"));
    let misspelt = DataSpec { input: columns(&["arr0"]), ..chosen.clone() };
    assert!(refused(&misspelt, &[input("in", &[])]).contains("did you mean `arr_0`"));
    let unread = DataSpec { input: columns(&["odd"]), ..chosen };
    assert!(refused(&unread, &[input("in", &[])]).contains("not read"));

    let twice = folder.npz(
        "y.npz",
        &[("x", "<f4", "(2,)", &one), ("y", "<f4", "(2,)", &one), ("Label", "<f4", "(2,)", &one)],
    );
    assert!(refused(&spec(&twice), &[input("in", &[])]).contains("cannot tell what the target is"));
    let counts = folder.npz("n.npz", &[("x", "<f4", "(2,)", &one), ("y", "<f4", "(1,)", &one[..4])]);
    assert!(refused(&spec(&counts), &[input("in", &[])]).contains("`x` has 2 samples, `y` has 1"));
}

#[test]
fn tables_lie_side_by_side_and_text_labels_are_classes() {
    let folder = Folder::new();
    let csv = "a,\"b, too\",label\r\n1,0.5,dog\r\n2, 1.5 ,\"the \"\"cat\"\"\"\r\n3,2.5,dog";
    let path = folder.write("d.csv", csv);
    let data = Data::load(&spec(&path), &[input("in", &[2])]).unwrap();
    assert_eq!(data.samples.inputs[0].data, [1.0, 0.5, 2.0, 1.5, 3.0, 2.5]);
    assert_eq!(data.class_names, ["dog", "the \"cat\""]);
    assert_eq!(data.samples.labels(), Some(&[0, 1, 0][..]));

    let table = ColumnTable {
        names: ["y", "b", "a"].map(str::to_owned).to_vec(),
        columns: vec![
            Column::Bool(vec![true, false]),
            Column::Float(vec![0.25, 0.5]),
            Column::Int(vec![-1, 7]),
        ],
        rows: 2,
    };
    let path = folder.write("d.parquet", write_parquet_columns(&table).unwrap());
    let data = Data::load(&spec(&path), &[input("in", &[2])]).unwrap();
    assert_eq!(data.samples.inputs[0].data, [0.25, -1.0, 0.5, 7.0]);
    assert_eq!(data.samples.labels(), Some(&[1, 0][..]));
    let ordered = DataSpec { input: columns(&["a", "b"]), ..spec(&path) };
    let data = Data::load(&ordered, &[input("in", &[2])]).unwrap();
    assert_eq!(data.samples.inputs[0].data, [-1.0, 0.25, 7.0, 0.5]);
    assert!(refused(&spec(&path), &[input("in", &[3])]).contains("shape [2]"));
}

#[test]
fn classes_of_text_do_not_depend_on_which_samples_are_taken() {
    let folder = Folder::new();
    let path = folder.write("d.tsv", "x\ty\n1\ta\n2\tc\n3\tb\n");
    let taken = DataSpec { skip: 1, limit: Some(1), ..spec(&path) };
    let data = Data::load(&taken, &[input("in", &[])]).unwrap();
    assert_eq!(data.samples.labels(), Some(&[2][..]));
    let few = DataSpec { classes: Some(2), ..taken };
    assert!(refused(&few, &[input("in", &[])]).contains("3 different labels, 2 classes"));
}

#[test]
fn csv_headers_are_told_from_numbers_and_faults_name_their_place() {
    let folder = Folder::new();
    let bare = folder.write("bare.csv", "7,0.5\n3,1.5\n");
    let first = DataSpec { target: columns(&["0"]), ..spec(&bare) };
    let data = Data::load(&first, &[input("in", &[])]).unwrap();
    assert_eq!((data.samples.len(), data.samples.labels()), (2, Some(&[7, 3][..])));
    let years = DataSpec { header: Some(true), target: columns(&["7"]), ..spec(&bare) };
    assert_eq!(Data::load(&years, &[input("in", &[])]).unwrap().samples.len(), 1);
    let semicolons = folder.write("s.csv", "\u{feff}x;y\n1;2\n");
    let semicolons = DataSpec { separator: Some(';'), ..spec(&semicolons) };
    assert_eq!(Data::load(&semicolons, &[input("in", &[])]).unwrap().samples.labels(), Some(&[2][..]));

    let fault = |text: &[u8]| refused(&spec(&folder.write("f.csv", text)), &[input("in", &[])]);
    assert!(fault(b"x,y\n1,2\n1\n").contains("record 2 has 1 fields, the first has 2"));
    assert!(fault(b"x,y\n1,0\nnan,1\n").contains("`x`, row 1: NaN is not a finite number"));
    assert!(fault(b"x,y\n1,0\n,1\n").contains("`x`, row 1: `` is not a number"));
    assert!(fault(b"x,y\n1,0\n2,-1\n").contains("`y`, row 1: -1 is not a class"));
    assert!(fault(b"x,y\n16777216,0\n").contains("exactly"));
    assert!(fault(b"x,x\n1,0\n").contains("two columns are named `x`"));
    assert!(fault(b"x,y\n").contains("no record"));
    assert!(fault(b"").contains("no record"));
    assert!(fault(b"x,y\n\xff,1\n").contains("record 1 is not UTF-8"));
}

#[test]
fn labels_beyond_the_classes_name_their_row() {
    let folder = Folder::new();
    let path = folder
        .npz("d.npz", &[("x", "<f4", "(3,)", &floats(&[0.0; 3])), ("y", "<i8", "(3,)", &longs(&[0, 1, 2]))]);
    let two = DataSpec { classes: Some(2), skip: 1, ..spec(&path) };
    let error = refused(&two, &[input("in", &[])]);
    assert!(error.contains("`y`, row 2: 2 is not a class; labels are whole numbers from 0 to 1"), "{error}");
    let floats =
        folder.npz("f.npz", &[("x", "<f4", "(1,)", &floats(&[0.0])), ("y", "<f4", "(1,)", &floats(&[0.5]))]);
    assert!(matches!(
        Data::load(&spec(&floats), &[input("in", &[])]).unwrap().samples.targets,
        Targets::Values { width: 1, .. }
    ));
    let top1 = DataSpec { metric: Some("top1".to_owned()), ..spec(&floats) };
    assert!(refused(&top1, &[input("in", &[])]).contains("0.5 is not a class"));
}

#[test]
fn normalisation_is_scale_then_mean_and_deviation_of_each_channel() {
    let folder = Folder::new();
    let text = "path = 'd.npz'\nscale = 255\nmean = [0.0, 0.5]\nstd = [1.0, 0.25]\nmetric = 'fidelity'\n";
    let toml = folder.write("data.toml", text);
    let pixels = [0_u8, 255, 51, 204];
    folder.npz("d.npz", &[("x", "|u1", "(1, 2, 1, 2)", &pixels)]);
    let spec = DataSpec::open(&toml).unwrap();
    let data = Data::load(&spec, &[input("in", &[2, 1, 2])]).unwrap();
    let want = [0.0_f32, 1.0, -1.2, 1.2];
    let near = |(got, want): (&f32, f32)| (got - want).abs() < 1e-6;
    assert!(data.samples.inputs[0].data.iter().zip(want).all(near), "{:?}", data.samples.inputs[0].data);

    let fault = |text: &str| DataSpec::open(&folder.write("bad.toml", text)).unwrap_err().to_string();
    assert!(fault("path = 'd.npz'\ncolour = 1").contains("colour"));
    assert!(fault("path = 'd.npz'\nstd = [0.0]").contains("`std`: 0 is not positive"));
    assert!(fault("path = 'd.npz'\nscale = -1").contains("`scale`"));
    assert!(fault("path = 'd.npz'\nmetric = 'top_1'").contains("did you mean `top1`"));
    assert!(fault("scale = 1").contains("`path`"));
    assert!(DataSpec::open(Path::new("no/such.toml")).unwrap_err().to_string().contains("no/such.toml"));
}

#[test]
fn a_description_survives_its_toml() {
    let text =
        "path = ['a.npy', 'b.csv']\ntarget = 'y'\nlayout = 'nhwc'\nlimit = 5\n[inputs]\nids = ['p', 'q']\n";
    let spec: DataSpec = toml::from_str(text).unwrap();
    assert_eq!(spec.layout, Some(Layout::Nhwc));
    assert_eq!(spec.inputs["ids"].0, ["p", "q"]);
    assert_eq!(toml::from_str::<DataSpec>(&toml::to_string(&spec).unwrap()).unwrap(), spec);
}

/// An IDX file of unsigned bytes.
fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|s| s.to_be_bytes()));
    file.extend(data);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn idx_images_bring_the_labels_beside_them() {
    let folder = Folder::new();
    let images = gzip(&idx(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
    let images = folder.write("t-images-idx3-ubyte.gz", images);
    let alone = Data::load(&spec(&images), &[input("in", &[1, 2, 3])]).unwrap();
    assert_eq!((alone.samples.len(), alone.samples.targets), (2, Targets::None));
    folder.write("t-labels-idx1-ubyte", idx(&[2], &[9, 0]));
    let data = Data::load(&spec(&images), &[input("in", &[1, 2, 3])]).unwrap();
    assert_eq!(data.samples.batch(1..2), [[7.0, 8.0, 9.0, 10.0, 11.0, 12.0]]);
    assert_eq!(data.samples.labels(), Some(&[9, 0][..]));
}

#[test]
fn idx_files_that_claim_what_is_not_there_are_refused() {
    let folder = Folder::new();
    let fault = |bytes: &[u8]| refused(&spec(&folder.write("digits.idx", bytes)), &[input("in", &[0])]);
    let good = idx(&[2, 3], &[0; 6]);
    assert!(fault(&good[..good.len() - 1]).contains("claims shape [2, 3], 18 bytes in all, in a file of 17"));
    assert!(fault(&[&good[..], &[0]].concat()).contains("in a file of 19"));
    assert!(fault(&idx(&[u32::MAX; 4], &[])).contains("more than the 268435456 values"));
    assert!(fault(&idx(&[1 << 14, 1 << 14], &[])).contains("claims shape"));
    assert!(fault(&[0, 0, 8, 2, 0]).contains("ends before its time"));
    assert!(fault(b"hello, world").contains("not a data format"));
    assert!(fault(b"").contains("not a data format"));

    let packed = gzip(&good);
    assert!(fault(&gzip(&good[..good.len() - 1])).contains("ends before its time"));
    assert!(fault(&gzip(&[&good[..], &[0]].concat())).contains("data follows"));
    assert!(fault(&gzip(&idx(&[1 << 14, 1 << 14], &[]))).contains("claims shape"));
    for end in 4..packed.len() {
        fault(&packed[..end]);
    }
    let mut flipped = packed.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    assert!(fault(&flipped).contains("digits.idx"));
    assert!(refused(&spec(Path::new("no/such")), &[input("in", &[])]).contains("cannot read no/such"));
}

fn image(name: &str) -> Vec<u8> {
    fs::read(common::fixture("images").join(name)).unwrap()
}

#[test]
fn folders_of_images_are_classes_in_the_order_of_their_names() {
    let folder = Folder::new();
    folder.write("dog/2.png", image("grey.png"));
    folder.write("dog/1.jpg", image("rgb.jpg"));
    folder.write("cat/1.png", image("rgb.png"));
    folder.write("dog/.hidden", "x");
    let path = folder.0.path();
    let data = Data::load(&spec(path), &[input("in", &[3, 12, 16])]).unwrap();
    // One of each class in turn: cat/1, dog/1, dog/2.
    assert_eq!(data.samples.labels(), Some(&[0, 1, 1][..]));
    assert_eq!(data.class_names, ["cat", "dog"]);
    // The red plane of the first counts columns by 15, the green plane of it rows by 20.
    assert_eq!(data.samples.inputs[0].data[..3], [0.0, 15.0, 30.0]);
    assert_eq!(data.samples.inputs[0].data[12 * 16 + 16], 20.0);
    let last = Data::load(&spec(path), &[input("in", &[12, 16, 3])]).unwrap();
    assert_eq!(last.samples.inputs[0].data[..6], [0.0, 0.0, 0.0, 15.0, 0.0, 9.0]);
    let grey = Data::load(&spec(path), &[input("in", &[1, 12, 16])]).unwrap();
    assert_eq!(grey.samples.inputs[0].sample_len(), 12 * 16);

    let error = refused(&spec(path), &[input("in", &[3, 6, 8])]);
    assert!(error.contains("shape [3, 12, 16]") && error.contains("takes [3, 6, 8]"), "{error}");
    let folder = Folder::new();
    for (name, file) in [("a/1.png", "rgb.png"), ("b/1.png", "small.png")] {
        folder.write(name, image(file));
    }
    let error = refused(&spec(folder.0.path()), &[input("in", &[3, 12, 16])]);
    assert!(error.contains("it has 2 x 3 pixels") && error.contains("set `resize`"), "{error}");
    let smaller = DataSpec { resize: Some([6, 8]), limit: Some(2), ..spec(folder.0.path()) };
    let data = Data::load(&smaller, &[input("in", &[3, 6, 8])]).unwrap();
    assert_eq!(data.samples.len(), 2);
}

#[test]
fn folders_that_hold_something_else_are_refused() {
    let folder = Folder::new();
    folder.write("flat/a.png", image("rgb.png"));
    let flat = folder.0.path().join("flat");
    let data = Data::load(&spec(&flat), &[input("in", &[3, 0, 0])]).unwrap();
    assert_eq!(data.samples.targets, Targets::None);
    folder.write("flat/notes.txt", "x");
    assert!(refused(&spec(&flat), &[input("in", &[3, 0, 0])]).contains("notes.txt"));

    folder.write("mixed/a/1.png", image("rgb.png"));
    folder.write("mixed/b/1.png", "not a picture");
    let mixed = folder.0.path().join("mixed");
    assert!(refused(&spec(&mixed), &[input("in", &[3, 0, 0])]).contains("neither PNG nor JPEG"));
    fs::write(mixed.join("b/1.png"), image("deep.png")).unwrap();
    assert!(refused(&spec(&mixed), &[input("in", &[3, 0, 0])]).contains("16 bits"));
    fs::remove_file(mixed.join("b/1.png")).unwrap();
    assert!(refused(&spec(&mixed), &[input("in", &[3, 0, 0])]).contains("holds no image"));
    fs::remove_dir(mixed.join("b")).unwrap();
    fs::write(mixed.join("zzz.png"), image("rgb.png")).unwrap();
    assert!(refused(&spec(&mixed), &[input("in", &[3, 0, 0])]).contains("beside folders of classes"));
    let empty = folder.0.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(refused(&spec(&empty), &[input("in", &[3, 0, 0])]).contains("holds no image"));
    let resize = DataSpec { resize: Some([4, 4]), ..spec(&folder.write("d.csv", "x\n1\n")) };
    assert!(refused(&resize, &[input("in", &[])]).contains("`resize`"));
}

#[test]
fn the_same_samples_have_one_hash_whatever_the_format() {
    let folder = Folder::new();
    let csv = folder.write("d.csv", "x,y\n1,0\n2,1\n");
    let npz = folder
        .npz("d.npz", &[("x", "<f4", "(2, 1)", &floats(&[1.0, 2.0])), ("y", "<i8", "(2,)", &longs(&[0, 1]))]);
    let hash = |path: &Path| Data::load(&spec(path), &[input("in", &[1])]).unwrap().sha256;
    assert_eq!(hash(&csv), hash(&npz));
    assert_eq!(hash(&csv).len(), 64);
    assert_ne!(hash(&csv), hash(&folder.write("e.csv", "x,y\n1,0\n2,0\n")));
}

#[test]
fn overlap_counts_evaluation_samples_that_calibration_has_seen() {
    let samples = |values: &[f32]| Samples::classified(&[2], values.to_vec(), vec![0; values.len() / 2]);
    let calibration = samples(&[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(overlap(&calibration, &samples(&[3.0, 4.0, 2.0, 1.0, 3.0, 4.0])), 2);
    assert_eq!(overlap(&calibration, &samples(&[1.0, 2.5])), 0);
}

/// A shared file, where it is.
fn shared(file: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = env::var_os("CALIBENCH_SHARED_DATA").map_or_else(beside, PathBuf::from).join(file);
    path.is_file().then_some(path)
}

fn counts(samples: &Samples) -> Vec<usize> {
    let labels = samples.labels().unwrap();
    (0..10).map(|class| labels.iter().filter(|l| **l == class).count()).collect()
}

#[test]
fn mnist_and_cifar_are_read_as_they_come() -> Result<(), DataError> {
    let (Some(idx), Some(cifar)) = (shared("mnist/t10k-images-idx3-ubyte.gz"), shared("cifar/train4k.npz"))
    else {
        println!("skipped: the shared data are not there; set CALIBENCH_SHARED_DATA");
        return Ok(());
    };
    let top1 = |path: &Path| DataSpec { metric: Some("top1".to_owned()), classes: Some(10), ..spec(path) };
    let mnist = Data::load(&top1(&idx), &[input("Input3", &[1, 28, 28])])?.samples;
    assert_eq!((mnist.len(), &mnist.inputs[0].shape[..]), (10_000, &[1, 28, 28][..]));
    assert_eq!(counts(&mnist), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    assert_eq!(mnist.inputs[0].data.iter().copied().fold(0.0, f32::max), 255.0);
    assert_eq!(overlap(&mnist.select(&[0, 1, 2]), &mnist), 3);

    let rgb = DataSpec { scale: Some(255.0), limit: Some(1000), ..top1(&cifar) };
    let cifar = Data::load(&rgb, &[input("x", &[3, 32, 32])])?;
    assert_eq!((cifar.samples.len(), &cifar.samples.inputs[0].shape[..]), (1000, &[3, 32, 32][..]));
    assert_eq!(counts(&cifar.samples).iter().sum::<usize>(), 1000);
    assert!(cifar.samples.inputs[0].data.iter().all(|v| (0.0..=1.0).contains(v)));
    assert!(cifar.notes.iter().any(|n| n.contains("transposed")), "{:?}", cifar.notes);
    Ok(())
}
