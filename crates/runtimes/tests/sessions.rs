//! A small model in every runtime that is installed here: the numbers that it must give, whatever runs it.
//!
//! Without the library a test says that it was skipped; `CALIBENCH_TEST_RUNTIMES=1` makes that a failure.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test fail by panic, as it does, and say what they skip"
)]

use std::num::NonZeroUsize;

use calibench_onnx::{ElementType, InputDim, ModelBuilder, Node, Values};
use calibench_runtimes::{ALL, Input, LoadOptions, Model, RuntimeError, Session};

const OPTIONS: LoadOptions = LoadOptions { threads: NonZeroUsize::MIN };

/// y = relu(table[ids] + x), with ids \[batch\], x \[batch, 2\] and a table of three rows.
fn embedding() -> Vec<u8> {
    let batch = InputDim::Symbol("batch".to_owned());
    let mut builder = ModelBuilder::new("embedding", 17);
    builder
        .input("ids", ElementType::I64, std::slice::from_ref(&batch))
        .input("x", ElementType::F32, &[batch.clone(), InputDim::Fixed(2)])
        .initializer("table", &[3, 2], Values::F32(&[0.0, 0.5, 10.0, 10.5, -20.0, 20.5]))
        .node(Node::new("look-up", "Gather", &["table", "ids"], &["row"]))
        .node(Node::new("sum", "Add", &["row", "x"], &["sum"]))
        .node(Node::new("clip", "Relu", &["sum"], &["y"]))
        .output("y", ElementType::F32, &[batch, InputDim::Fixed(2)]);
    builder.to_bytes().unwrap()
}

fn inputs<'a>(ids: &'a [f32], ids_shape: &'a [usize], x: &'a [f32], x_shape: &'a [usize]) -> [Input<'a>; 2] {
    [
        Input { name: "ids", shape: ids_shape, integer: true, data: ids },
        Input { name: "x", shape: x_shape, integer: false, data: x },
    ]
}

/// A session of `id` with a model; `None` when the runtime is not installed here.
fn session(id: &str, model: Model<'_>) -> Option<Result<Box<dyn Session>, RuntimeError>> {
    let runtime = (calibench_quant::find(ALL, "runtime", id).unwrap().construct)();
    let library = match runtime.locate() {
        Ok(library) => library,
        Err(absence) if std::env::var_os("CALIBENCH_TEST_RUNTIMES").is_some() => panic!("{absence}"),
        Err(absence) => {
            println!("skipped: {absence}");
            return None;
        }
    };
    Some(runtime.load(&library, model, &OPTIONS))
}

fn known_answers(id: &str) {
    let Some(session) = session(id, Model::Bytes(&embedding())) else { return };
    let mut session = session.unwrap();
    let one = inputs(&[1.0], &[1], &[-10.25, 1.0], &[1, 2]);
    let three = inputs(&[2.0, 0.0, 1.0], &[3], &[1.0, 0.0, -1.0, 1.0, 0.25, 0.5], &[3, 2]);
    let mut output = vec![f32::NAN; 7];
    for _ in 0..2 {
        session.run_into(&one, &mut output).unwrap();
        assert_eq!(output, [0.0, 11.5]);
        session.run_into(&three, &mut output).unwrap();
        assert_eq!(output, [0.0, 20.5, 0.0, 1.5, 10.25, 11.0]);
    }
    let [ids, x] = one;
    assert_eq!(session.run(&[x, ids]).unwrap(), [0.0, 11.5], "the order of inputs is free");
    assert!(session.version().contains('.'), "{}", session.version());
    println!("{id} {}", session.version());
}

fn faults(id: &str) {
    let Some(refused) = session(id, Model::Bytes(b"not a model")) else { return };
    let error = refused.err().expect("these bytes are no model");
    assert!(matches!(error, RuntimeError::Model { .. }), "{error}");
    assert!(!error.is_absence());

    let mut session = session(id, Model::Bytes(&embedding())).unwrap().unwrap();
    let [ids, x] = inputs(&[1.0], &[1], &[-10.25, 1.0], &[1, 2]);
    let error = session.run(&[x]).unwrap_err().to_string();
    assert_eq!(error, "input `x`: the model takes 2 inputs, 1 are given");
    let error = session.run(&[Input { data: &[0.5], ..ids }, x]).unwrap_err().to_string();
    assert!(error.starts_with("input `ids`: element 0 is 0.5, but the model takes int64"), "{error}");
    for wrong in [
        [Input { name: "idx", ..ids }, x],
        [ids, Input { integer: true, data: &[1.0, 1.0], ..x }],
        [ids, Input { shape: &[1, 3], data: &[1.0; 3], ..x }],
    ] {
        let error = session.run(&wrong).unwrap_err();
        assert!(matches!(error, RuntimeError::Run { .. }), "{error}");
    }
    assert_eq!(session.run(&[ids, x]).unwrap(), [0.0, 11.5], "an error leaves the session usable");
}

fn a_file_is_a_model_too(id: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, embedding()).unwrap();
    let Some(session) = session(id, Model::File(&path)) else { return };
    let one = inputs(&[1.0], &[1], &[-10.25, 1.0], &[1, 2]);
    assert_eq!(session.unwrap().run(&one).unwrap(), [0.0, 11.5]);
}

macro_rules! in_runtime {
    ($($module:ident $id:literal)*) => {$(
        mod $module {
            #[test]
            fn known_answers() {
                super::known_answers($id);
            }

            #[test]
            fn faults() {
                super::faults($id);
            }

            #[test]
            fn a_file_is_a_model_too() {
                super::a_file_is_a_model_too($id);
            }
        }
    )*};
}

in_runtime! {
    onnxruntime "onnxruntime"
    openvino "openvino"
}
