//! Small graphs that together hold every operator, with inputs.

use calibench_graph::{
    Binary, Conv2d, Coordinates, Dim, Element, Graph, GraphBuilder, Interpolation, Op, PadMode, Reduction,
    Tensor, Unary, Value, ValueId, Window, bind,
};

/// The batch that the inputs hold.
pub const BATCH: usize = 3;

/// A graph and what to feed it.
pub struct Case {
    pub name: String,
    pub graph: Graph,
    pub inputs: Vec<Vec<f32>>,
}

/// Numbers in [−2, 2), the same for the same seed.
pub fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 22) as f32 - 2.0
    };
    (0..len).map(next).collect()
}

pub fn tensor(seed: u64, shape: &[usize]) -> Tensor {
    Tensor::new(shape, numbers(seed, shape.iter().product())).unwrap()
}

/// `[N, …]`.
fn batched(sizes: &[usize]) -> Vec<Dim> {
    [Dim::Batch].into_iter().chain(sizes.iter().map(|n| Dim::Fixed(*n))).collect()
}

fn value(name: &str, sizes: &[usize], element: Element) -> Value {
    Value { name: name.to_owned(), shape: batched(sizes), element }
}

type Build<'b> = &'b dyn Fn(&mut GraphBuilder, &[ValueId]) -> ValueId;

fn case(name: &str, inputs: Vec<Value>, build: Build<'_>) -> Case {
    let fed = inputs.iter().enumerate().map(|(i, v)| {
        let numbers = numbers(i as u64 + 7, bind(&v.shape, BATCH).iter().product());
        match v.element {
            Element::Float => numbers,
            Element::Integer => numbers.iter().map(|x| (x + 2.0).floor()).collect(),
        }
    });
    let fed = fed.collect();
    let ids: Vec<ValueId> = (0..inputs.len()).map(ValueId).collect();
    let mut builder = GraphBuilder::with_inputs(name, inputs);
    let output = build(&mut builder, &ids);
    Case { name: name.to_owned(), graph: builder.finish(output), inputs: fed }
}

/// One operator on float inputs of these shapes, with parameters.
fn one(name: &str, op: Op, inputs: &[&[usize]], params: &[&[usize]]) -> Case {
    let values = inputs.iter().enumerate().map(|(i, s)| value(&format!("x{i}"), s, Element::Float)).collect();
    case(name, values, &|g, x| {
        let names: Vec<String> = (0..params.len()).map(|i| format!("op.p{i}")).collect();
        let params = names.iter().zip(params).enumerate();
        // Variances are positive.
        let magnitudes =
            |t: Tensor| Tensor::new(t.shape(), t.data().iter().map(|v| v.abs()).collect()).unwrap();
        let params = params.map(|(i, (n, s))| (n.as_str(), magnitudes(tensor(i as u64 + 1, s)))).collect();
        g.add("op", op.clone(), x, params).unwrap()
    })
}

/// As [`one`], on float inputs and without parameters.
fn plain(name: &str, op: Op, inputs: &[&[usize]]) -> Case {
    one(name, op, inputs, &[])
}

fn integers(g: &mut GraphBuilder, name: &str, shape: &[usize], values: &[f32]) -> ValueId {
    let tensor = Tensor::new(shape, values.to_vec()).unwrap();
    let op = Op::Constant { element: Element::Integer };
    g.add(name, op, &[], vec![(&format!("{name}.value"), tensor)]).unwrap()
}

fn products() -> Vec<Case> {
    let fancy = Conv2d { stride: [2, 1], padding: [1, 0, 2, 1], dilation: [1, 2], groups: 2 };
    vec![
        one("linear", Op::Linear, &[&[5]], &[&[4, 5], &[4]]),
        one("linear_without_bias", Op::Linear, &[&[5]], &[&[4, 5]]),
        one("linear_of_rows", Op::Linear, &[&[2, 5]], &[&[4, 5], &[4]]),
        one("linear_of_rows_without_bias", Op::Linear, &[&[2, 5]], &[&[4, 5]]),
        one("conv", Op::Conv2d(Conv2d::square(1, 1)), &[&[2, 5, 6]], &[&[3, 2, 3, 3], &[3]]),
        one("conv_fancy", Op::Conv2d(fancy), &[&[4, 7, 8]], &[&[6, 2, 3, 3]]),
        one("batch_norm", Op::BatchNorm2d { epsilon: 1e-3 }, &[&[3, 2, 2]], &[&[3], &[3], &[3], &[3]]),
        one("layer_norm", Op::LayerNorm { epsilon: 1e-5 }, &[&[2, 6]], &[&[6], &[6]]),
        one("add_param", Op::AddParam, &[&[2, 3]], &[&[2, 3]]),
        plain("matmul", Op::MatMul { transpose_rhs: false }, &[&[2, 3, 4], &[2, 4, 5]]),
        plain("matmul_transposed", Op::MatMul { transpose_rhs: true }, &[&[2, 3, 4], &[2, 5, 4]]),
    ]
}

fn elementwise() -> Vec<Case> {
    let unaries = [
        Unary::Neg,
        Unary::Abs,
        Unary::Exp,
        Unary::Erf,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::HardSigmoid { alpha: 0.3, beta: 0.4 },
        Unary::HardSwish,
        Unary::LeakyRelu { alpha: 0.1 },
        Unary::Clip { low: -0.5, high: 1.0 },
        Unary::Clip { low: f32::NEG_INFINITY, high: 1.0 },
        Unary::GeluTanh,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Sin,
        Unary::Cos,
        Unary::Not,
        Unary::Reciprocal,
    ];
    let mut cases: Vec<Case> = unaries
        .iter()
        .enumerate()
        .map(|(i, u)| plain(&format!("unary{i}_{}", Op::Unary(*u).name()), Op::Unary(*u), &[&[2, 5]]))
        .collect();
    for unary in [Unary::Sqrt, Unary::Log] {
        cases.push(case(
            &format!("{unary:?}_of_positive"),
            vec![value("x", &[7], Element::Float)],
            &|g, x| {
                let x = g.add("exp", Op::Unary(Unary::Exp), x, vec![]).unwrap();
                g.add("op", Op::Unary(unary), &[x], vec![]).unwrap()
            },
        ));
    }
    let binaries = [
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Min,
        Binary::Max,
        Binary::Equal,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Less,
        Binary::LessOrEqual,
        Binary::And,
        Binary::Or,
    ];
    for binary in binaries {
        let name = Op::Binary(binary).name();
        cases.push(plain(name, Op::Binary(binary), &[&[2, 3], &[1, 3]]));
        let ints = ["a", "b"].map(|n| value(n, &[4], Element::Integer)).to_vec();
        cases.push(case(&format!("{name}_of_integers"), ints, &|g, x| {
            let one = integers(g, "one", &[1], &[1.0]);
            let y = g.add("shifted", Op::Add, &[x[1], one], vec![]).unwrap();
            let y = g.add("op", Op::Binary(binary), &[x[0], y], vec![]).unwrap();
            // A quotient is cut, which fp32 leaves to the cast.
            g.add("cut", Op::Cast { to: Element::Integer }, &[y], vec![]).unwrap()
        }));
    }
    cases.push(case("pow", vec![value("x", &[5], Element::Float)], &|g, x| {
        let base = g.add("base", Op::Unary(Unary::Abs), x, vec![]).unwrap();
        g.add("op", Op::Binary(Binary::Pow), &[base, x[0]], vec![]).unwrap()
    }));
    cases.push(case(
        "where",
        vec![value("c", &[4], Element::Integer), value("x", &[2, 4], Element::Float)],
        &|g, x| {
            let shape = vec![Dim::Batch, Dim::Fixed(1), Dim::Fixed(4)];
            let c = g.add("condition", Op::Reshape { shape }, &x[..1], vec![]).unwrap();
            let y = g.add("scaled", Op::Scale { factor: -3.0 }, &x[1..], vec![]).unwrap();
            g.add("op", Op::Where, &[c, x[1], y], vec![]).unwrap()
        },
    ));
    cases.push(case(
        "casts",
        vec![value("x", &[6], Element::Float), value("i", &[6], Element::Integer)],
        &|g, x| {
            let cut = g.add("cut", Op::Cast { to: Element::Integer }, &x[..1], vec![]).unwrap();
            let sum = g.add("sum", Op::Add, &[cut, x[1]], vec![]).unwrap();
            let float = g.add("float", Op::Cast { to: Element::Float }, &[sum], vec![]).unwrap();
            g.add("op", Op::Add, &[float, x[0]], vec![]).unwrap()
        },
    ));
    cases.extend([
        plain("relu", Op::Relu, &[&[2, 5]]),
        plain("gelu", Op::Gelu, &[&[2, 5]]),
        plain("add", Op::Add, &[&[2, 5], &[2, 1]]),
        plain("scale", Op::Scale { factor: 0.3 }, &[&[5]]),
        plain("softmax", Op::Softmax, &[&[2, 5]]),
        plain("log_softmax", Op::LogSoftmax, &[&[2, 5]]),
    ]);
    cases
}

fn layout() -> Vec<Case> {
    let slice = |start, step, len| Op::Slice { axis: 2, start, step, len };
    let pad = |mode| Op::Pad { pads: vec![[0, 0], [1, 0], [2, 1]], mode };
    let mut cases = vec![
        plain("permute", Op::Permute { axes: vec![0, 3, 1, 2] }, &[&[2, 3, 4]]),
        plain("concat", Op::Concat { axis: 2 }, &[&[2, 3], &[2, 1], &[2, 2]]),
        plain("slice", slice(1, 2, 3), &[&[2, 7]]),
        plain("slice_backwards", slice(5, -2, 2), &[&[2, 7]]),
        plain("slice_back_to_the_first", slice(6, -2, 4), &[&[2, 7]]),
        plain("pad_constant", pad(PadMode::Constant(0.5)), &[&[2, 4]]),
        plain("pad_reflect", pad(PadMode::Reflect), &[&[2, 4]]),
        plain("pad_edge", pad(PadMode::Edge), &[&[2, 4]]),
        plain("expand", Op::Expand { shape: batched(&[4, 3]) }, &[&[1, 3]]),
    ];
    let float = |sizes: &[usize]| vec![value("x", sizes, Element::Float)];
    cases.push(case("reshape_joins_the_batch", float(&[2, 3, 4]), &|g, x| {
        let joined = Op::Reshape { shape: vec![Dim::Multiple(6), Dim::Fixed(4)] };
        let rows = g.add("rows", joined, x, vec![]).unwrap();
        let y = g.add("op", Op::Softmax, &[rows], vec![]).unwrap();
        g.add("back", Op::Reshape { shape: batched(&[2, 3, 4]) }, &[y], vec![]).unwrap()
    }));
    cases.push(case("expand_to_the_batch", float(&[2, 3]), &|g, x| {
        let token = vec![("token.value", tensor(3, &[1, 1, 3]))];
        let token = g.add("token", Op::Constant { element: Element::Float }, &[], token).unwrap();
        let tokens = g.add("tokens", Op::Expand { shape: batched(&[1, 3]) }, &[token], vec![]).unwrap();
        g.add("op", Op::Concat { axis: 1 }, &[tokens, x[0]], vec![]).unwrap()
    }));
    cases.push(case("expand_to_a_multiple_of_the_batch", float(&[2, 3]), &|g, x| {
        let row = vec![("row.value", tensor(3, &[1, 3]))];
        let row = g.add("row", Op::Constant { element: Element::Float }, &[], row).unwrap();
        let shape = vec![Dim::Multiple(2), Dim::Fixed(3)];
        let rows = g.add("rows", Op::Expand { shape: shape.clone() }, &[row], vec![]).unwrap();
        let joined = g.add("joined", Op::Reshape { shape }, x, vec![]).unwrap();
        g.add("op", Op::Add, &[rows, joined], vec![]).unwrap()
    }));
    cases.push(case("embedding", vec![value("ids", &[5], Element::Integer)], &|g, x| {
        g.add("op", Op::Embedding, x, vec![("table", tensor(2, &[4, 3]))]).unwrap()
    }));
    cases.push(case("gather", float(&[4, 2]), &|g, x| {
        let i = integers(g, "i", &[3], &[2.0, 0.0, 2.0]);
        g.add("op", Op::Gather { axis: 1 }, &[x[0], i], vec![]).unwrap()
    }));
    let with_ids = || vec![value("x", &[4, 2], Element::Float), value("ids", &[3, 1], Element::Integer)];
    cases.push(case("gather_nd", with_ids(), &|g, x| {
        g.add("op", Op::GatherNd { batch_dims: 1 }, x, vec![]).unwrap()
    }));
    cases.push(case("scatter_nd", float(&[2]), &|g, x| {
        let base = vec![("base.value", tensor(5, &[4]))];
        let base = g.add("base", Op::Constant { element: Element::Float }, &[], base).unwrap();
        let at = integers(g, "at", &[2, 1], &[3.0, 1.0]);
        let new =
            g.add("new", Op::Constant { element: Element::Float }, &[], vec![("new.value", tensor(6, &[2]))]);
        let y = g.add("op", Op::ScatterNd, &[base, at, new.unwrap()], vec![]).unwrap();
        let y =
            g.add("halves", Op::Reshape { shape: vec![Dim::Fixed(2), Dim::Fixed(2)] }, &[y], vec![]).unwrap();
        let y = g.add("first", Op::Slice { axis: 0, start: 0, step: 1, len: 1 }, &[y], vec![]).unwrap();
        g.add("sum", Op::Add, &[x[0], y], vec![]).unwrap()
    }));
    cases
}

fn windows() -> Vec<Case> {
    let window = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 0, 1, 1], dilation: [1, 1] };
    let dilated = Window { dilation: [2, 1], padding: [1, 1, 1, 0], ..window };
    let pool = |count_padding| Op::AvgPool2d { window, count_padding };
    let image: &[&[usize]] = &[&[2, 7, 6]];
    let mut cases = vec![
        plain("max_pool", Op::MaxPool2d(dilated), image),
        plain("avg_pool", pool(false), image),
        plain("avg_pool_counts_padding", pool(true), image),
        plain("global_avg_pool", Op::GlobalAvgPool, image),
        plain("mean_tokens", Op::MeanTokens, &[&[4, 3]]),
    ];
    let reductions =
        [Reduction::Mean, Reduction::Sum, Reduction::L2, Reduction::Max, Reduction::Min, Reduction::Prod];
    for reduction in reductions {
        for keep in [false, true] {
            let op = Op::Reduce { reduction, axes: vec![1, 3], keep };
            cases.push(plain(&format!("{}_keep_{keep}", op.name()), op, &[&[2, 3, 4]]));
        }
    }
    let resizes = [
        (Coordinates::HalfPixel, Interpolation::Linear, [2.0, 1.5], [8, 6]),
        (Coordinates::PytorchHalfPixel, Interpolation::Linear, [0.5, 0.25], [2, 1]),
        (Coordinates::AlignCorners, Interpolation::Linear, [1.75, 2.0], [7, 8]),
        (Coordinates::Asymmetric, Interpolation::NearestFloor, [2.0, 3.0], [8, 12]),
        (Coordinates::HalfPixel, Interpolation::NearestPreferFloor, [2.0, 0.5], [8, 2]),
        (Coordinates::Asymmetric, Interpolation::NearestPreferCeil, [2.0, 2.0], [8, 8]),
        (Coordinates::Asymmetric, Interpolation::NearestCeil, [2.0, 2.0], [8, 8]),
    ];
    for (i, (coordinates, interpolation, scale, size)) in resizes.into_iter().enumerate() {
        let op = Op::Resize2d { size, coordinates, interpolation, scale };
        cases.push(plain(&format!("resize{i}"), op, &[&[2, 4, 4]]));
    }
    // 41 × fp32(43 / 41) is less than 43: said by sizes.
    let scale = [43.0 / 41.0; 2];
    let op = Op::Resize2d {
        size: [43, 43],
        coordinates: Coordinates::HalfPixel,
        interpolation: Interpolation::Linear,
        scale,
    };
    cases.push(plain("resize_by_sizes", op, &[&[1, 41, 41]]));
    cases
}

/// Every case.
pub fn cases() -> Vec<Case> {
    [products(), elementwise(), layout(), windows()].into_iter().flatten().collect()
}
