"""Writes cases.safetensors: small models, one operator or pattern each, with what ONNX Runtime makes of them.

Of every case the file holds `CASE/model` (the bytes of the .onnx file), `CASE/in/NAME` (a batch of three, as fp32)
and `CASE/out` (the first output, as fp32). Values depend on the case's name alone, so that adding one changes no other.

    python -m venv venv && venv/bin/pip install onnx==1.23.2 onnxruntime==1.32.0 numpy safetensors
    venv/bin/python crates/onnx/tests/cases/generate.py
"""

import math
import pathlib
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

BATCH = 3
TYPES = {
    "f": (TensorProto.FLOAT, np.float32),
    "h": (TensorProto.FLOAT16, np.float16),
    "d": (TensorProto.DOUBLE, np.float64),
    "i": (TensorProto.INT64, np.int64),
    "j": (TensorProto.INT32, np.int32),
    "b": (TensorProto.BOOL, np.bool_),
}
stored, names = {}, []


def n(op, inputs, outputs="y", **attributes):
    """One node; the values are separated by spaces, `_` is one left out."""
    split = lambda text: ["" if v == "_" else v for v in text.split()]
    return helper.make_node(op, split(inputs), split(outputs), **attributes)


def f(*values):
    return np.array(values, np.float32)


def i(*values):
    return np.array(values, np.int64)


def case(name, nodes, x="f N 4", opset=17, fixed=False, data=None, output="y", **inits):
    """Runs a model whose inputs are given as `type sizes`, called x and then x1, x2, …; N is the batch.

    With `fixed` the file says 1 where the samples are one batch of three: it runs sample by sample. An initializer
    that is a tuple has random values of that shape. `data` maps an array of normal values to what is fed.
    """
    assert name not in names, name
    names.append(name)
    random = np.random.default_rng(zlib.crc32(name.encode()))
    normal = lambda shape: random.standard_normal(shape).astype(np.float32)
    nodes = nodes if isinstance(nodes, list) else [nodes]
    inputs, feeds = [], {}
    for index, spec in enumerate(x if isinstance(x, list) else [x]):
        kind, *sizes = spec.split()
        element, dtype = TYPES[kind]
        label = f"x{index or ''}"
        dims = [("N" if not fixed else 1) if s == "N" else int(s) for s in sizes]
        inputs.append(helper.make_tensor_value_info(label, element, dims))
        values = normal([BATCH if s == "N" else int(s) for s in sizes])
        if data is not None:
            values = data(values)
        elif kind in "ij":
            values = np.round(values * 3)
        elif kind == "b":
            values = values > 0
        feeds[label] = np.asarray(values).astype(dtype)
    fills = {k: normal(v) if isinstance(v, tuple) else np.asarray(v) for k, v in inits.items()}
    graph = helper.make_graph(
        nodes, "t", inputs, [onnx.ValueInfoProto(name=output)],
        [numpy_helper.from_array(v, k) for k, v in fills.items()],
    )
    ir = {8: 3, 9: 4, 10: 5, 11: 6, 12: 7}.get(opset, 8)
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=ir, producer_name="")
    if ir == 3:  # Initializers are inputs there, too.
        for k, v in fills.items():
            model.graph.input.append(helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        run = lambda feed: session.run(None, feed)[0]
        if fixed:
            rows = [run({k: v[b : b + 1] for k, v in feeds.items()}) for b in range(BATCH)]
            out = np.concatenate(rows)
        else:
            out = run(feeds)
    except Exception as error:
        raise SystemExit(f"{name}: {error}") from error
    stored[f"{name}/model"] = np.frombuffer(model.SerializeToString(), np.uint8)
    for k, v in feeds.items():
        stored[f"{name}/in/{k}"] = v.astype(np.float32)
    stored[f"{name}/out"] = np.ascontiguousarray(out, dtype=np.float32)


# --- functions of one element
positive = lambda v: np.abs(v) + 0.1
for op in "Abs Ceil Cos Erf Exp Floor HardSigmoid HardSwish LeakyRelu Neg Reciprocal Relu Round Sigmoid Sin Tanh Identity".split():
    case(f"{op}", n(op, "x"), x="f N 2 3", data=lambda v: v * 4)
for op in ["Sqrt", "Log"]:
    case(op, n(op, "x"), data=positive)
case("Round/ties", n("Round", "x"), data=lambda v: np.floor(v * 3) + 0.5)
case("LeakyRelu/alpha", n("LeakyRelu", "x", alpha=0.3))
case("HardSigmoid/attributes", n("HardSigmoid", "x", alpha=0.4, beta=0.3))
case("Gelu", n("Gelu", "x"), opset=20)
case("Gelu/tanh", n("Gelu", "x", approximate="tanh"), opset=20)
case("Not", n("Not", "x"), x="b N 4")
case("Neg/integers", n("Neg", "x"), x="i N 4")
case("Abs/integers", n("Abs", "x"), x="i N 4")
case("Dropout", n("Dropout", "x"), opset=13)
case("Dropout/7", n("Dropout", "x", ratio=0.5), opset=8)
case("Relu/8", n("Relu", "x"), opset=8)
case("Relu/integers", n("Relu", "x"), x="j N 4")

# --- casts
case("Cast/integer", n("Cast", "x", to=7), data=lambda v: v * 3)
case("Cast/bool", n("Cast", "x", to=9), data=lambda v: np.round(v))
case("Cast/float-of-integer", n("Cast", "x", to=1), x="i N 4")
case("Cast/float-of-bool", n("Cast", "x", to=1), x="b N 4")
case("Cast/double", n("Cast", "x", to=11))
case("Cast/int32-of-int64", n("Cast", "x", to=6), x="i N 4")
case("Cast/half-input", n("Cast", "x", to=1), x="h N 4")

# --- clips
case("Clip/6", n("Clip", "x", min=-0.5, max=0.7), opset=8)
case("Clip/6-default", n("Clip", "x"), opset=10)
case("Clip/11", n("Clip", "x lo hi"), opset=11, lo=np.float32(-0.5), hi=np.float32(0.7))
case("Clip/no-low", n("Clip", "x _ hi"), hi=np.float32(0.3))
case("Clip/no-high", n("Clip", "x lo"), lo=np.float32(0.3))
case("Clip/relu", n("Clip", "x lo"), lo=np.float32(0))
case("Clip/relu6", n("Clip", "x lo hi"), lo=np.float32(0), hi=np.float32(6), data=lambda v: v * 6)
case("Clip/crossed", n("Clip", "x lo hi"), lo=np.float32(0.5), hi=np.float32(-0.5))
case("Clip/integers", n("Clip", "x lo hi"), x="i N 4", lo=np.int64(-1), hi=np.int64(2))
case("Clip/shape-arithmetic", [
    n("Shape", "x", "s"), n("Slice", "s a b", "d"), n("Clip", "d lo hi", "c"), n("Div", "c two", "h"),
    n("Concat", "minus h", "t", axis=0), n("Reshape", "x t"),
], x="f N 6", a=i(1), b=i(2), lo=np.int64(1), hi=np.int64(5), two=i(2), minus=i(-1))

# --- functions of two elements
for op in ["Add", "Sub", "Mul", "Div", "Max", "Min"]:
    case(op, n(op, "x x1"), x=["f N 2 3", "f N 2 3"])
    case(f"{op}/broadcast", n(op, "x x1"), x=["f N 2 3", "f N 1 3"])
    case(f"{op}/constant", n(op, "x c"), x="f N 2 3", c=(2, 1))
    case(f"{op}/constant-first", n(op, "c x"), x="f N 2 3", c=(3,))
    case(f"{op}/number", n(op, "x c"), x="f N 2 3", c=np.float32(1.7))
    case(f"{op}/number-first", n(op, "c x"), x="f N 2 3", c=f(1.7))
    case(f"{op}/more-axes", n(op, "x c"), x="f N 3", c=(2, 1, 3))
    case(f"{op}/8", n(op, "x c"), x="f N 2 3", c=(2, 3), opset=8)
    case(f"{op}/integers", n(op, "x x1"), x=["i N 4", "i N 4"], data=lambda v: np.where(np.round(v * 9) == 0, 5, np.round(v * 9)))
case("Add/wide-number", n("Add", "x c"), c=np.ones((1, 1, 1), np.float32))
case("Mul/wide-number", n("Mul", "x c"), c=np.full((1, 1, 1), 2, np.float32))
case("Max/one", n("Max", "x"))
case("Max/three", n("Max", "x x1 c"), x=["f N 4", "f N 1"], c=(4,))
case("Min/three", n("Min", "x x1 c"), x=["f N 4", "f N 1"], c=(4,))
case("Sum", n("Sum", "x x1"), x=["f N 4", "f N 4"])
case("Sum/one", n("Sum", "x"))
case("Sum/three", n("Sum", "x x1 c"), x=["f N 4", "f N 1"], c=(4,))
case("Pow", n("Pow", "x x1"), x=["f N 4", "f N 4"], data=positive)
case("Pow/square", n("Pow", "x c"), c=np.float32(2))
case("Pow/root", n("Pow", "x c"), c=np.float32(0.5), data=positive)
case("Pow/cube", n("Pow", "x c"), c=f(3))
case("Pow/integer-exponent", n("Pow", "x c"), c=i(2))
case("Pow/integers", n("Pow", "x c"), x="i N 4", c=i(3))
case("Pow/integer-base", n("Pow", "x c"), x="i N 4", c=np.float32(0.5), data=lambda v: np.abs(np.round(v * 9)))
case("Div/floor", [n("Div", "x c", "q"), n("Floor", "q")], c=np.float32(41), data=lambda v: np.round(v * 3) * 41)
case("Div/zero", n("Div", "x c"), c=np.float32(0))
case("Div/denormal", n("Div", "x c"), c=np.float32(1e-39), data=lambda v: v * 1e-39)
case("Mul/same", n("Mul", "x x"))
for op in ["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"]:
    case(op, n(op, "x x1"), x=["f N 8", "f N 8"], data=np.round)
    case(f"{op}/integers", n(op, "x c"), x="i N 4", c=i(1), data=np.round)
for op in ["And", "Or"]:
    case(op, n(op, "x x1"), x=["b N 4", "b N 1"])
case("Where", n("Where", "x x1 x2"), x=["b N 4", "f N 4", "f N 4"], data=lambda v: v)
case("Where/broadcast", n("Where", "x x1 c"), x=["b N 1 4", "f N 2 1"], c=np.float32(-1e9), data=lambda v: np.round(v))
case("Where/constant-condition", n("Where", "m x c"), m=np.array([True, False, True, False]), c=(1,))
case("Where/integers", [n("Equal", "x z", "e"), n("Where", "e x1 c")], x=["i N 4", "i N 4"], z=np.int64(0), c=np.int64(7))

# --- softmax
for opset in [8, 11, 12]:
    case(f"Softmax/{opset}", n("Softmax", "x"), x="f N 2 3", opset=opset)
    case(f"Softmax/{opset}-last", n("Softmax", "x", axis=2), x="f N 2 3", opset=opset)
    case(f"LogSoftmax/{opset}", n("LogSoftmax", "x"), x="f N 2 3", opset=opset)
for op in ["Softmax", "LogSoftmax"]:
    case(f"{op}/13", n(op, "x"), x="f N 2 3", opset=13)
    case(f"{op}/13-middle", n(op, "x", axis=1), x="f N 2 3", opset=13)
    case(f"{op}/13-from-end", n(op, "x", axis=-2), x="f N 2 3 4", opset=13)
    case(f"{op}/11-from-end", n(op, "x", axis=-1), x="f N 2 3", opset=11)
    case(f"{op}/large", n(op, "x"), data=lambda v: v * 1000)

# --- products
case("Gemm", n("Gemm", "x w c", alpha=0.5, beta=2.0), w=(4, 5), c=(5,))
case("Gemm/trans-b", n("Gemm", "x w c", transB=1, alpha=0.5, beta=2.0), w=(5, 4), c=(5,))
case("Gemm/trans-a-value", [n("Transpose", "x", "t", perm=[1, 0]), n("Gemm", "t w c", transA=1)], w=(4, 5), c=(5,))
case("Gemm/values", [n("MatMul", "w v", "z"), n("Gemm", "x z _", transB=1, alpha=0.5)], w=(5, 3), v=(3, 4))
case("Gemm/no-bias", n("Gemm", "x w"), w=(4, 5))
case("Gemm/8", n("Gemm", "x w c"), w=(4, 5), c=(5,), opset=8)
case("Gemm/scalar-bias", n("Gemm", "x w c"), w=(4, 5), c=np.float32(0.7))
case("Gemm/row-bias", n("Gemm", "x w c", beta=0.5), w=(4, 5), c=(1, 5))
case("Gemm/value-bias", n("Gemm", "x w x1", beta=0.5), x=["f N 4", "f N 5"], w=(4, 5))
case("Gemm/column-bias", n("Gemm", "x w x1", beta=0.5), x=["f N 4", "f N 1"], w=(4, 5))
case("Gemm/beta-0", n("Gemm", "x w x1", beta=0.0), x=["f N 4", "f N 5"], w=(4, 5))
case("Gemm/trans-a-constant", [n("Gemm", "w w", "g", transA=1), n("MatMul", "x g")], w=(3, 4))
case("Gemm/pooled", [n("GlobalAveragePool", "x", "g"), n("Flatten", "g", "f"), n("Gemm", "f w c", transB=1)], x="f N 4 2 2", w=(5, 4), c=(5,))
case("MatMul/weight", n("MatMul", "x w"), w=(4, 5))
case("MatMul/weight-3", n("MatMul", "x w"), x="f N 2 4", w=(4, 5))
case("MatMul/weight-4", n("MatMul", "x w"), x="f N 2 3 4", w=(4, 5))
case("MatMul/weight-first", n("MatMul", "w x"), x="f N 4 5", w=(3, 4))
case("MatMul/weight-batched", n("MatMul", "x w"), x="f N 2 3 4", w=(2, 4, 5))
case("MatMul/weight-vector", n("MatMul", "x w"), x="f N 2 4", w=(4,))
case("MatMul/vector-weight", n("MatMul", "w x"), x="f N 4 5", w=(4,))
case("MatMul/values", n("MatMul", "x x1"), x=["f N 2 4", "f N 4 3"])
case("MatMul/values-4", n("MatMul", "x x1"), x=["f N 2 3 4", "f N 2 4 3"])
case("MatMul/broadcast", n("MatMul", "x x1"), x=["f N 2 3 4", "f N 1 4 3"])
case("MatMul/broadcast-left", n("MatMul", "x x1"), x=["f N 1 3 4", "f N 2 4 3"])
case("MatMul/number-of-vectors", [n("Reshape", "x s", "v"), n("MatMul", "v w")], s=i(-1, 1, 4), w=(4, 2))

# --- convolutions
conv = lambda **a: n("Conv", "x w", **a)
case("Conv", conv(), x="f N 2 4 5", w=(3, 2, 2, 3))
case("Conv/bias", n("Conv", "x w c"), x="f N 2 4 5", w=(3, 2, 2, 3), c=(3,))
case("Conv/8", n("Conv", "x w c", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), x="f N 2 4 5", w=(3, 2, 3, 3), c=(3,), opset=8)
case("Conv/strides", conv(strides=[2, 3], pads=[1, 2, 0, 1]), x="f N 2 5 6", w=(3, 2, 3, 3))
case("Conv/dilations", conv(dilations=[2, 1], pads=[2, 1, 2, 1]), x="f N 2 5 6", w=(3, 2, 3, 3))
case("Conv/groups", conv(group=2), x="f N 4 4 4", w=(6, 2, 3, 3))
case("Conv/depthwise", conv(group=4, pads=[1, 1, 1, 1]), x="f N 4 4 4", w=(4, 1, 3, 3))
case("Conv/depthwise-multiplier", conv(group=2, strides=[2, 2]), x="f N 2 5 5", w=(4, 1, 3, 3))
case("Conv/one-by-one", conv(), x="f N 3 2 2", w=(5, 3, 1, 1))
for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
    case(f"Conv/{auto}", conv(auto_pad=auto, strides=[2, 2]), x="f N 2 5 6", w=(3, 2, 3, 2))
    case(f"Conv/1-D-{auto}", conv(auto_pad=auto), x="f N 2 5", w=(3, 2, 4))
case("Conv/1-D", n("Conv", "x w c", pads=[2, 1], strides=[2], dilations=[2]), x="f N 2 7", w=(3, 2, 3), c=(3,))
case("Conv/1-D-groups", conv(group=2), x="f N 4 6", w=(4, 2, 3))
case("Conv/add", [n("Conv", "x w", "v"), n("Add", "v c")], x="f N 2 4 4", w=(3, 2, 3, 3), c=(1, 3, 1, 1))
case("Conv/add-width", [n("Conv", "x w", "v"), n("Add", "v c")], x="f N 2 4 4", w=(2, 2, 3, 3), c=(2,))
case("Conv/constant-node-weight", [n("Constant", "", "w", value=numpy_helper.from_array(np.ones((1, 2, 2, 2), np.float32))), conv()], x="f N 2 3 3")

# --- normalisations
stats = dict(s=(3,), c=(3,), m=(3,), v=np.array([0.5, 1.5, 2.5], np.float32))
bn = lambda x="x", y="y", **a: n("BatchNormalization", f"{x} s c m v", y, **a)
for opset in [8, 9, 14, 15]:
    case(f"BatchNormalization/{opset}", bn(), x="f N 3 2 2", opset=opset, **stats)
case("BatchNormalization/epsilon", bn(epsilon=0.3), x="f N 3 2 2", **stats)
case("BatchNormalization/2-D", bn(), x="f N 3", **stats)
case("BatchNormalization/3-D", bn(), x="f N 3 4", **stats)
case("BatchNormalization/5-D", bn(), x="f N 3 2 1 2", **stats)
case("BatchNormalization/conv", [n("Conv", "x w", "k"), bn("k")], x="f N 2 4 4", w=(3, 2, 3, 3), **stats)
case("BatchNormalization/conv-bias", [n("Conv", "x w cb", "k"), bn("k"), n("Relu", "y", "z")], x="f N 2 4 4", output="z", w=(3, 2, 3, 3), cb=(3,), **stats)
case("BatchNormalization/shared-conv", [n("Conv", "x w", "k"), bn("k", "b"), n("Add", "k b")], x="f N 2 4 4", w=(3, 2, 3, 3), **stats)
case("BatchNormalization/relu", [n("Relu", "x", "r"), bn("r", "b"), n("Conv", "b w")], x="f N 3 3 3", w=(2, 3, 2, 2), **stats)
ln = lambda **a: n("LayerNormalization", "x s c", **a)
case("LayerNormalization", ln(), x="f N 2 4", s=(4,), c=(4,))
case("LayerNormalization/no-bias", n("LayerNormalization", "x s"), x="f N 2 4", s=(4,))
case("LayerNormalization/axis", ln(axis=1), x="f N 2 4", s=(2, 4), c=(2, 4))
case("LayerNormalization/axis-from-end", ln(axis=-2, epsilon=0.1), x="f N 3 2 4", s=(2, 4), c=(2, 4))
spelled = lambda x="x", y="y": [
    n("ReduceMean", x, "mean", axes=[-1]), n("Sub", f"{x} mean", "centred"), n("Pow", "centred two", "square"),
    n("ReduceMean", "square", "variance", axes=[-1]), n("Add", "variance eps", "shifted"), n("Sqrt", "shifted", "root"),
    n("Div", "centred root", "normal"), n("Mul", "normal s", "scaled"), n("Add", "scaled c", y),
]
number = dict(two=np.float32(2), eps=np.float32(1e-5))
case("LayerNormalization/decomposed", spelled(), x="f N 2 4", s=(4,), c=(4,), **number)
case("LayerNormalization/decomposed-wide", spelled(), x="f N 4", s=(1, 1, 4), c=(4,), **number)
case("LayerNormalization/decomposed-plain", spelled()[:7], x="f N 2 4", output="normal", **number)
case("LayerNormalization/decomposed-scalar", spelled(), x="f N 2 4", s=np.float32(1.5), c=(4,), **number)
case("LayerNormalization/decomposed-wide-epsilon", spelled()[:7], x="f N 4", output="normal", two=np.float32(2), eps=np.full((1, 1, 1), 1e-3, np.float32))

# --- patterns of transformers
gelu = lambda x="x", y="y": [
    n("Div", f"{x} root2", "d"), n("Erf", "d", "e"), n("Add", "e one", "p"), n("Mul", f"{x} p", "g"), n("Mul", "g half", y),
]
constants = dict(root2=np.float32(math.sqrt(2)), one=np.float32(1), half=np.float32(0.5))
case("Gelu/decomposed", gelu(), **constants)
case("Gelu/decomposed-half-first", [n("Mul", "x half", "h"), *gelu()[:3], n("Mul", "h p")], **constants)
case("Gelu/decomposed-half-gate", [*gelu()[:3], n("Mul", "p half", "h"), n("Mul", "x h")], **constants)
case("Gelu/decomposed-wide-one", gelu(), root2=constants["root2"], half=constants["half"], one=np.ones((1, 1, 1), np.float32))
case("Gelu/decomposed-other-number", gelu(), root2=constants["root2"], half=np.float32(0.4), one=constants["one"])
case("Gelu/decomposed-tanh", [
    n("Pow", "x three", "q"), n("Mul", "q k", "r"), n("Add", "x r", "s"), n("Mul", "s c", "t"), n("Tanh", "t", "u"),
    n("Add", "u one", "v"), n("Mul", "x v", "w"), n("Mul", "w half"),
], three=np.float32(3), k=np.float32(0.044715), c=np.float32(math.sqrt(2 / math.pi)), one=np.float32(1), half=np.float32(0.5))
heads = lambda name, x, perm: [n("MatMul", f"{x} w{name}", f"{name}0"), n("Add", f"{name}0 b{name}", f"{name}1"), n("Reshape", f"{name}1 split", f"{name}2"), n("Transpose", f"{name}2", name, perm=perm)]
attention = [
    n("Shape", "x", "shape"), n("Gather", "shape zero", "batch", axis=0), n("Unsqueeze", "batch z", "batch1"),
    n("Concat", "batch1 rest", "split", axis=0), n("Concat", "batch1 joined", "join", axis=0),
    *heads("q", "x", [0, 2, 1, 3]), *heads("k", "x", [0, 2, 3, 1]), *heads("v", "x", [0, 2, 1, 3]),
    n("MatMul", "q k", "score"), n("Div", "score scale", "scaled"), n("Softmax", "scaled", "weight", axis=-1),
    n("MatMul", "weight v", "mixed"), n("Transpose", "mixed", "back", perm=[0, 2, 1, 3]), n("Reshape", "back join", "flat"),
    n("MatMul", "flat wo"),
]
weights = {k: v for name in "qkv" for k, v in [(f"w{name}", (4, 4)), (f"b{name}", (4,))]}
shapes = dict(zero=np.int64(0), z=i(0), rest=i(3, 2, 2), joined=i(3, 4), scale=np.float32(math.sqrt(2)), wo=(4, 4))
case("MatMul/attention", attention, x="f N 3 4", **weights, **shapes)
case("MatMul/attention-scaled-key", [
    n("Transpose", "x1", "t", perm=[0, 2, 1]), n("Mul", "t scale", "k"), n("MatMul", "x k", "s"), n("Softmax", "s"),
], x=["f N 3 4", "f N 3 4"], scale=np.float32(0.5))
case("MatMul/attention-masked", [
    n("Transpose", "x", "t", perm=[0, 2, 1]), n("MatMul", "x t", "s"), n("Unsqueeze", "x1 one", "m"), n("Cast", "m", "mf", to=1),
    n("Sub", "unit mf", "inv"), n("Mul", "inv low", "bias"), n("Add", "s bias", "b"), n("Softmax", "b", axis=-1),
], x=["f N 3 4", "i N 3"], one=i(1), unit=np.float32(1), low=np.float32(-10000), data=lambda v: np.round(v).clip(0, 1) if v.ndim == 2 else v)
case("MatMul/causal", [
    n("Shape", "x", "s"), n("Slice", "s one two", "t"), n("Concat", "t t", "tt", axis=0), n("ConstantOfShape", "tt", "ones", value=numpy_helper.from_array(f(1))),
    n("Trilu", "ones", "tril", upper=0), n("Cast", "tril", "mask", to=9), n("Transpose", "x", "xt", perm=[0, 2, 1]), n("MatMul", "x xt", "score"),
    n("Where", "mask score low", "masked"), n("Softmax", "masked"),
], x="f N 3 4", one=i(1), two=i(2), low=np.float32(-1e30))
case("MatMul/sequence-first", [
    n("Transpose", "x", "t", perm=[1, 0, 2]), n("Shape", "t", "s"), n("Reshape", "t flat", "r"), n("Gemm", "r w c", "g"),
    n("Concat", "three minus four", "back", axis=0), n("Reshape", "g back", "b"), n("Transpose", "b", perm=[1, 0, 2]),
], x="f N 3 4", flat=i(-1, 4), three=i(3), minus=i(-1), four=i(4), w=(4, 4), c=(4,))
case("MatMul/position-table", [n("Softmax", "p", "table"), n("MatMul", "table w", "pos"), n("Add", "x pos")], x="f N 3 4", p=(3, 5), w=(5, 4))
case("Gather/embedding", n("Gather", "t x"), x="i N 3", t=(5, 4), data=lambda v: np.abs(np.round(v * 2)).clip(0, 4))
case("Gather/embedding-from-end", n("Gather", "t x"), x="i N 3", t=(5, 4), data=lambda v: np.round(v * 2).clip(-5, 4))
case("Gather/class-token", [
    n("Shape", "x", "s"), n("Gather", "s zero", "b"), n("Unsqueeze", "b z", "b1"), n("Concat", "b1 rest", "es", axis=0),
    n("Expand", "token es", "tokens"), n("Concat", "tokens x", "seq", axis=1), n("Add", "seq pos", "with"), n("Gather", "with zero", axis=1),
], x="f N 3 4", zero=np.int64(0), z=i(0), rest=i(1, 4), token=(1, 1, 4), pos=(1, 4, 4))
case("Concat/class-token-of-a-fixed-batch", [n("Concat", "token x", axis=1)], x="f N 3 4", fixed=True, token=(1, 1, 4))

# --- shapes
case("Shape", [n("Shape", "x", "s"), n("Cast", "s", "c", to=1), n("Gather", "c one", "d"), n("Mul", "x d")], one=np.int64(1))
case("Shape/slice", [n("Shape", "x", "s", start=-1), n("Cast", "s", "c", to=1), n("Mul", "x c")], x="f N 2 3", opset=15)
case("Size", [n("Size", "w", "s"), n("Cast", "s", "c", to=1), n("Mul", "x c")], w=(2, 3))
case("Reshape", n("Reshape", "x s"), x="f N 2 6", s=i(0, 3, 4))
case("Reshape/infer", n("Reshape", "x s"), x="f N 2 6", s=i(-1, 3, 4))
case("Reshape/joined", n("Reshape", "x s"), x="f N 2 6", s=i(-1, 6))
case("Reshape/zero-copies", n("Reshape", "x s"), x="f N 2 6", s=i(0, 0, 2, -1))
case("Reshape/8", n("Reshape", "x s"), x="f N 2 6", s=i(0, -1), opset=8)
case("Reshape/allowzero", n("Reshape", "x s", allowzero=1), x="f N 2 6", s=i(-1, 12), opset=14)
case("Reshape/fixed-batch", n("Reshape", "x s"), x="f N 2 6", s=i(1, 12), fixed=True)
case("Reshape/fixed-batch-inferred", n("Reshape", "x s"), x="f N 2 6", s=i(1, -1), fixed=True)
case("Reshape/view-of-size", [
    n("Shape", "x", "s"), n("Gather", "s zero", "b"), n("Unsqueeze", "b z", "b1"), n("Concat", "b1 minus", "t", axis=0), n("Reshape", "x t"),
], x="f N 2 3", zero=np.int64(0), z=i(0), minus=i(-1))
case("Reshape/floor-divided", [
    n("Shape", "x", "s"), n("Gather", "s one", "c"), n("Div", "c two", "h"), n("Unsqueeze", "h z", "h1"), n("Concat", "minus h1 two1", "t", axis=0), n("Reshape", "x t"),
], x="f N 6", one=np.int64(1), two=np.int64(2), two1=i(2), z=i(0), minus=i(-1))
case("Flatten", n("Flatten", "x"), x="f N 2 3")
case("Flatten/2", n("Flatten", "x", axis=2), x="f N 2 3")
case("Flatten/0", n("Flatten", "x", axis=0), x="f N 2 3")
case("Flatten/from-end", n("Flatten", "x", axis=-2), x="f N 2 3", opset=11)
case("Transpose", n("Transpose", "x", perm=[0, 2, 1]), x="f N 2 3")
case("Transpose/reversed", [n("Transpose", "x", "t"), n("Relu", "t")], x="f N 2 3")
case("Transpose/4", n("Transpose", "x", perm=[0, 2, 3, 1]), x="f N 2 3 4")
for opset, axes in [(12, dict(axes=[1, 3])), (13, {})]:
    extra = {} if axes else dict(a=i(1, 3))
    case(f"Squeeze/{opset}", n("Squeeze", "x" if axes else "x a", **axes), x="f N 1 3 1", opset=opset, **extra)
    case(f"Unsqueeze/{opset}", n("Unsqueeze", "x" if axes else "x a", **axes), x="f N 3", opset=opset, **extra)
case("Squeeze/from-end", n("Squeeze", "x a"), x="f N 3 1", a=i(-1))
case("Squeeze/all", n("Squeeze", "x"), x="f N 1 3 1")
case("Unsqueeze/from-end", n("Unsqueeze", "x a"), x="f N 3", a=i(-1, 1))
case("Concat", n("Concat", "x x1", axis=1), x=["f N 2 3", "f N 1 3"])
case("Concat/last", n("Concat", "x x1 x", axis=-1), x=["f N 2 3", "f N 2 1"])
case("Concat/integers", n("Concat", "x x1", axis=1), x=["i N 2", "i N 3"])
case("Concat/pytorch-cache", [n("Slice", "x a b ax", "e"), n("Concat", "e x", axis=1)], x="f N 2 3", a=i(0), b=i(0), ax=i(1))
case("Split/2", n("Split", "x", "y z", axis=1, split=[1, 3]), opset=11)
case("Split/11-equal", n("Split", "x", "z y", axis=1), opset=11)
case("Split/13", n("Split", "x s", "z y", axis=1), opset=13, s=i(1, 3))
case("Split/13-equal", [n("Split", "x", "a b c", axis=-1), n("Mul", "a b", "ab"), n("Add", "ab c")], x="f N 2 6", opset=13)
case("Split/18", n("Split", "x", "z y", axis=1, num_outputs=2), x="f N 5", opset=18)
case("Expand", n("Expand", "x s"), x="f N 1 3", s=i(1, 2, 3))
case("Expand/short", n("Expand", "x s"), x="f N 2 1", s=i(3,))
case("Expand/more-axes", [n("Expand", "c s", "e"), n("Add", "x e")], x="f N 2 3", c=(3,), s=i(2, 3))
case("Expand/batch-shape", [n("Shape", "x", "s"), n("Expand", "c s", "e"), n("Add", "x e")], x="f N 3", c=(1, 3))
case("Tile", n("Tile", "x r"), x="f N 2 3", r=i(1, 2, 3))
case("Tile/once", n("Tile", "x r"), x="f N 2 3", r=i(1, 1, 1))
case("ConstantOfShape", [n("Shape", "x", "s"), n("ConstantOfShape", "s", "o", value=numpy_helper.from_array(f(2))), n("Mul", "x o")])
case("ConstantOfShape/default", [n("Shape", "x", "s"), n("ConstantOfShape", "s", "o"), n("Sub", "x o")])
case("ConstantOfShape/expand-pattern", [
    n("Shape", "t", "r"), n("ConstantOfShape", "r", "ones", value=numpy_helper.from_array(i(1))), n("Mul", "ones minus", "neg"), n("Equal", "t neg", "e"),
    n("Where", "e ones t", "w"), n("Expand", "x w"),
], x="f N 1 3", t=i(-1, 2, 3), minus=np.int64(-1))
case("Range", [n("Range", "a b d", "r"), n("Cast", "r", "c", to=1), n("Add", "x c")], x="f N 4", a=np.int64(1), b=np.int64(9), d=np.int64(2))
case("Range/floats", [n("Range", "a b d", "r"), n("Add", "x r")], x="f N 4", a=np.float32(1), b=np.float32(-1), d=np.float32(-0.5))
case("Range/positions", [
    n("Shape", "x", "s"), n("Gather", "s one", "t"), n("Range", "zero t one", "r"), n("Unsqueeze", "r z", "ids"), n("Gather", "w ids", "pos"), n("Gather", "e x", "tok"), n("Add", "tok pos"),
], x="i N 3", one=np.int64(1), zero=np.int64(0), z=i(0), w=(5, 4), e=(4, 4), data=lambda v: np.abs(np.round(v)).clip(0, 3))
for kind, attribute in [("float", dict(value_float=1.5)), ("floats", dict(value_floats=[1.0, 2.0, 3.0, 4.0])), ("tensor", dict(value=numpy_helper.from_array(f(4, 3, 2, 1))))]:
    case(f"Constant/{kind}", [n("Constant", "", "c", **attribute), n("Mul", "x c")], opset=13)
for kind, attribute in [("int", dict(value_int=3)), ("ints", dict(value_ints=[1, 2, 3, 4]))]:
    case(f"Constant/{kind}", [n("Constant", "", "c", **attribute), n("Cast", "c", "d", to=1), n("Mul", "x d")], opset=13)

# --- positions
case("Slice/9", n("Slice", "x", starts=[1, 0], ends=[3, -1], axes=[1, 2]), x="f N 4 3", opset=9)
case("Slice/9-all-axes", n("Slice", "x", starts=[0, 1], ends=[9223372036854775807, 3]), x="f N 4 3", opset=8)
case("Slice/10", n("Slice", "x a b ax"), x="f N 4 3", a=i(-3), b=i(9223372036854775807), ax=i(1), opset=10)
case("Slice/steps", n("Slice", "x a b ax st"), x="f N 5 4", a=i(1, 0), b=i(5, 4), ax=i(-2, 2), st=i(2, 3))
case("Slice/backwards", n("Slice", "x a b ax st"), x="f N 5", a=i(-1), b=i(-9223372036854775808), ax=i(1), st=i(-1))
case("Slice/backwards-by-2", n("Slice", "x a b ax st"), x="f N 5", a=i(10), b=i(0), ax=i(1), st=i(-2))
case("Slice/int32", n("Slice", "x a b ax"), x="f N 5", a=np.array([1], np.int32), b=np.array([2**31 - 1], np.int32), ax=np.array([1], np.int32))
case("Slice/patches", [n("Slice", "x z e a2 s2", "p"), n("Slice", "x o e a2 s2", "q"), n("Concat", "p q", axis=-1)], x="f N 4 2", z=i(0), o=i(1), e=i(9), a2=i(1), s2=i(2))
case("Gather/scalar", n("Gather", "x k", axis=1), x="f N 3 4", k=np.int64(1))
case("Gather/negative", n("Gather", "x k", axis=-1), x="f N 3 4", k=i(-2))
case("Gather/several", n("Gather", "x k", axis=1), x="f N 3 4", k=i(2, 0, -1))
case("Gather/matrix", n("Gather", "x k", axis=2), x="f N 3 4", k=np.array([[0, 1], [2, 3]]))
case("Gather/other-axis", [n("Gather", "t x", "g", axis=1), n("Transpose", "g", perm=[1, 2, 0])], x="i N 3", t=(2, 4), data=lambda v: np.abs(np.round(v)).clip(0, 3))
case("GatherND/batch-dims", n("GatherND", "x x1", batch_dims=1), x=["f N 3 4", "i N 2 1"], data=lambda v: np.abs(np.round(v)).clip(0, 2) if v.shape[-1] == 1 else v)
case("GatherND/own-sample", [
    n("Shape", "x", "s"), n("Gather", "s zero", "b"), n("Range", "zero b one", "r"), n("Unsqueeze", "r z1", "rows"), n("Mul", "rows zero", "where"),
    n("Add", "where one", "col"), n("Concat", "rows col", "tuples", axis=1), n("GatherND", "x tuples"),
], x="f N 3 4", zero=np.int64(0), one=np.int64(1), z1=i(1))
case("GatherND/constant", [n("GatherND", "t k", "g"), n("Add", "x g")], t=(3, 4), k=np.array([[1], ]))
case("ScatterND", [n("ScatterND", "t k u", "g"), n("Add", "x g")], t=(4,), k=np.array([[1], [3]]), u=f(9, 8))
case("ScatterND/rows", [n("ScatterND", "t k u", "g"), n("Add", "x g")], x="f N 3 4", t=(3, 4), k=np.array([[2]]), u=(1, 4))
case("Trilu", n("Trilu", "x"), x="f N 3 4", opset=14)
case("Trilu/lower", n("Trilu", "x", upper=0), x="f N 3 3", opset=14)
case("Trilu/diagonal", n("Trilu", "x k"), x="f N 3 4", opset=14, k=np.int64(-1))
case("Trilu/integers", n("Trilu", "x k", upper=0), x="i N 3 3", opset=14, k=np.int64(1))

# --- pads
case("Pad/10", n("Pad", "x", pads=[0, 1, 0, 2], value=1.5), opset=10)
for mode in ["reflect", "edge", "constant"]:
    case(f"Pad/{mode}", n("Pad", "x p", mode=mode), x="f N 3 4", p=i(0, 1, 2, 0, 2, 3), opset=13)
case("Pad/value", n("Pad", "x p v"), x="f N 3 4", p=i(0, 1, 0, 0, 0, 2), v=np.float32(-2))
case("Pad/nothing", n("Pad", "x p"), p=i(0, 0, 0, 0))
case("Pad/18-axes", n("Pad", "x p _ a"), x="f N 3 4", p=i(1, 2), a=i(-1), opset=18)
case("Pad/integers", n("Pad", "x p v"), x="i N 3", p=i(0, 1, 0, 0), v=np.int64(7))
case("Pad/conv", [n("Pad", "x p", "q"), n("Conv", "q w")], x="f N 2 3 3", p=i(0, 0, 1, 1, 0, 0, 1, 1), w=(2, 2, 3, 3))

# --- reductions
for op in ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2"]:
    case(f"{op}/11", n(op, "x", axes=[1, -1]), x="f N 2 3 4", opset=11)
    case(f"{op}/11-dropped", n(op, "x", axes=[2], keepdims=0), x="f N 2 3", opset=11)
    case(f"{op}/18", n(op, "x a", keepdims=0), x="f N 2 3", a=i(-2), opset=18)
case("ReduceSum/13", n("ReduceSum", "x a"), x="f N 2 3", a=i(1), opset=13)
case("ReduceMean/17", n("ReduceMean", "x", axes=[-1]), x="f N 2 3", opset=17)
case("ReduceSum/noop", n("ReduceSum", "x", noop_with_empty_axes=1), x="f N 2 3", opset=13)
case("ReduceSum/integers", n("ReduceSum", "x a"), x="i N 3", a=i(1))
case("ReduceMean/integers", n("ReduceMean", "x", axes=[1]), x="j N 3", data=lambda v: np.abs(np.round(v * 5)))
case("ReduceMax/integers", n("ReduceMax", "x", axes=[1]), x="i N 3")
case("ReduceProd/shape", [n("Shape", "x", "s"), n("Slice", "s one four", "t"), n("ReduceProd", "t", "p", keepdims=1), n("Concat", "minus p", "u", axis=0), n("Reshape", "x u")], x="f N 2 3 4", one=i(1), four=i(4), minus=i(-1))
case("ReduceMean/tokens", n("ReduceMean", "x", axes=[1], keepdims=0), x="f N 3 4")
case("ReduceMean/image", n("ReduceMean", "x", axes=[2, 3], keepdims=0), x="f N 2 3 4")
case("ReduceL2/normalised", [n("ReduceL2", "x", "l", axes=[-1]), n("Clip", "l e", "c"), n("Expand", "c s", "d"), n("Div", "x d")], x="f N 4", e=np.float32(1e-12), s=i(1, 4))

# --- pools
pool = lambda op, **a: n(op, "x", **{"kernel_shape": [2, 3], **a})
for op in ["MaxPool", "AveragePool"]:
    case(op, pool(op), x="f N 2 5 6", opset=10)
    case(f"{op}/8", pool(op, strides=[2, 2]), x="f N 2 5 6", opset=8)
    case(f"{op}/tiles", pool(op, kernel_shape=[2, 2], strides=[2, 2]), x="f N 2 4 6")
    case(f"{op}/pads", pool(op, pads=[1, 2, 0, 1], strides=[2, 2]), x="f N 2 5 6")
    case(f"{op}/ceil", pool(op, strides=[2, 2], ceil_mode=1), x="f N 2 5 6", opset=11)
    case(f"{op}/ceil-pads", pool(op, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], ceil_mode=1), x="f N 2 6 6", opset=19)
    case(f"{op}/ceil-in-padding", pool(op, kernel_shape=[2, 2], pads=[0, 0, 1, 1], strides=[3, 3], ceil_mode=1), x="f N 2 5 6", opset=19)
    case(f"{op}/ceil-unneeded-padding", pool(op, kernel_shape=[3, 3], pads=[1, 1, 2, 2], strides=[3, 3], ceil_mode=1), x="f N 1 5 8", opset=19)
    for auto in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        case(f"{op}/{auto}", pool(op, auto_pad=auto, strides=[2, 2]), x="f N 2 5 6", opset=11)
    case(f"{op}/1-D", pool(op, kernel_shape=[3], pads=[1, 1], strides=[2]), x="f N 2 6")
    case(f"{op}/1-D-ceil", pool(op, kernel_shape=[3], strides=[2], ceil_mode=1), x="f N 2 6", opset=11)
case("MaxPool/dilations", pool("MaxPool", dilations=[2, 1]), x="f N 2 5 6")
case("MaxPool/dilations-pads", pool("MaxPool", kernel_shape=[2, 2], dilations=[2, 2], pads=[1, 1, 1, 1], strides=[2, 2]), x="f N 2 5 6", data=lambda v: -np.abs(v))
case("AveragePool/dilations", pool("AveragePool", dilations=[2, 1]), x="f N 2 5 6", opset=19)
case("AveragePool/count-pads", pool("AveragePool", pads=[1, 2, 0, 1], strides=[2, 2], count_include_pad=1), x="f N 2 5 6")
case("AveragePool/count-same", pool("AveragePool", auto_pad="SAME_UPPER", strides=[2, 2], count_include_pad=1), x="f N 2 5 6")
case("AveragePool/count-ceil-exact", pool("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], count_include_pad=1, ceil_mode=1), x="f N 2 5 5", opset=19)
for op in ["GlobalAveragePool", "GlobalMaxPool"]:
    for shape in ["3 4", "2 3 4", "2 1 3 2"]:
        case(f"{op}/{len(shape.split()) - 1}-D", n(op, "x"), x=f"f N {shape}")

# --- resampling
for mode in ["nearest", "linear"]:
    case(f"Resize/10-{mode}", n("Resize", "x s", mode=mode), x="f N 2 3 4", s=f(1, 1, 2, 1.5), opset=10)
    for coordinates in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]:
        attributes = dict(mode=mode, coordinate_transformation_mode=coordinates)
        case(f"Resize/11-{mode}-{coordinates}", n("Resize", "x r s", **attributes), x="f N 2 3 4", r=f(), s=f(1, 1, 2, 2), opset=11)
        case(f"Resize/13-{mode}-{coordinates}-down", n("Resize", "x _ s", **attributes), x="f N 1 5 6", s=f(1, 1, 0.6, 0.7), opset=13)
        case(f"Resize/18-{mode}-{coordinates}-sizes", n("Resize", "x _ _ s", **attributes), x="f N 1 4 3", s=i(1, 1, 6, 7), opset=18, fixed=True)
for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
    for coordinates in ["half_pixel", "asymmetric", "align_corners"]:
        case(f"Resize/nearest-{nearest}-{coordinates}", n("Resize", "x _ s", nearest_mode=nearest, coordinate_transformation_mode=coordinates), x="f N 1 4 3", s=f(1, 1, 1.5, 2.5))
case("Resize/to-one", n("Resize", "x _ s", mode="linear", coordinate_transformation_mode="pytorch_half_pixel"), x="f N 1 4 4", s=f(1, 1, 0.25, 0.25))
case("Resize/1-D", n("Resize", "x _ s", mode="linear"), x="f N 2 4", s=f(1, 1, 2))
case("Resize/sizes-of-shape", [
    n("Shape", "x", "s"), n("Slice", "s zero two", "nc"), n("Concat", "nc hw", "t", axis=0), n("Resize", "x _ _ t", mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
], x="f N 2 3 4", zero=i(0), two=i(2), hw=i(6, 8), opset=13)

# --- whole blocks, as exporters write them
case("Mul/squeeze-and-excite", [
    n("GlobalAveragePool", "x", "p"), n("Conv", "p a", "q"), n("Relu", "q", "r"), n("Conv", "r b", "s"), n("HardSigmoid", "s", "t", alpha=1 / 6), n("Mul", "x t"),
], x="f N 4 3 3", a=(2, 4, 1, 1), b=(4, 2, 1, 1))
case("Mul/swish", [n("Sigmoid", "x", "s"), n("Mul", "x s")], x="f N 2 3 3")
case("Add/residual", [n("Conv", "x w c", "a", pads=[1, 1, 1, 1]), n("Relu", "a", "r"), n("Conv", "r v", "b", pads=[1, 1, 1, 1]), n("Add", "b x", "s"), n("Relu", "s")], x="f N 2 4 4", w=(2, 2, 3, 3), v=(2, 2, 3, 3), c=(2,))
case("Concat/shuffle", [n("Reshape", "x s", "a"), n("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]), n("Reshape", "b t")], x="f N 4 2 3", s=i(-1, 2, 2, 2, 3), t=i(-1, 4, 2, 3))
case("Conv/channels-last", [n("Transpose", "x", "t", perm=[0, 3, 1, 2]), n("Conv", "t w", "v", pads=[1, 1, 1, 1]), n("Relu", "v", "r"), n("Transpose", "r", perm=[0, 2, 3, 1])], x="f N 4 4 2", w=(3, 2, 3, 3))
case("Conv/concat", [n("Conv", "x w", "a"), n("Conv", "x v", "b"), n("Concat", "a b", "k", axis=1), n("MaxPool", "k", kernel_shape=[2, 2])], x="f N 2 4 4", w=(2, 2, 1, 1), v=(3, 2, 1, 1))
case("Reshape/vision-patches", [n("Conv", "x w c", "p", strides=[2, 2]), n("Shape", "p", "s"), n("Slice", "s zero two", "nc"), n("Concat", "nc minus", "t", axis=0), n("Reshape", "p t", "f"), n("Transpose", "f", perm=[0, 2, 1])], x="f N 2 4 4", w=(3, 2, 2, 2), c=(3,), zero=i(0), two=i(2), minus=i(-1))
case("Reshape/windows", [n("Reshape", "x s", "a"), n("Transpose", "a", "b", perm=[0, 1, 3, 2, 4, 5]), n("Reshape", "b t", "w"), n("MatMul", "w k", "m"), n("Reshape", "m s2", "c"), n("Transpose", "c", "d", perm=[0, 1, 3, 2, 4, 5]), n("Reshape", "d u")],
     x="f N 4 4 2", s=i(-1, 2, 2, 2, 2, 2), t=i(-1, 4, 2), k=(2, 2), s2=i(-1, 2, 2, 2, 2, 2), u=i(-1, 4, 4, 2))

path = pathlib.Path(__file__).with_name("cases.safetensors")
save_file(stored, path)
print(f"{len(names)} cases, {path.stat().st_size} bytes")
