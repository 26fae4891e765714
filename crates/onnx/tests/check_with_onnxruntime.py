"""Runs exported models under ONNX Runtime and compares with calibench's own outputs.

    python check_with_onnxruntime.py prepare FILE.npz KEY COUNT OUT.f32   images of a data set as [N, C, H, W]
    python check_with_onnxruntime.py check FOLDER                         every case of FOLDER/cases.json

The integration test `onnxruntime.rs` writes the folder and calls both. A case fails where the root mean square of the
difference is more than its tolerance, as a share of the reference's own. Each model is checked, then run with graph
optimizations (integer kernels where ONNX Runtime has them), with those and PRECISE, and without (every operator as
written).
Needs numpy, onnx and onnxruntime; openvino is tried too where it is installed, and only reported.
"""

import json
import pathlib
import sys

import numpy as np

# No 16-bit sums of uint8 x int8 products that saturate; no rounding of activations for products with int8 weights.
PRECISE = {"session.x64quantprecision": "1", "session.qdq_matmulnbits_accuracy_level": "1"}


def prepare(source, key, count, out):
    images = np.load(source)[key][: int(count)].astype(np.float32)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2) if images.ndim == 4 else images
    np.ascontiguousarray(images).tofile(out)


def distance(got, expected):
    """Root mean square of the difference over that of the reference, and rows whose largest element differs."""
    got, expected = got.astype(np.float64).ravel(), expected.astype(np.float64)
    scale = max(np.sqrt((expected**2).mean()), 1e-30)
    rows = expected.reshape(expected.shape[0], -1)
    other = (got.reshape(rows.shape).argmax(1) != rows.argmax(1)).sum()
    return np.sqrt(((got - expected.ravel()) ** 2).mean()) / scale, int(other)


def sessions(path):
    import onnxruntime

    for name, level, config in [
        ("fused", "ORT_ENABLE_ALL", {}),
        ("as-written", "ORT_DISABLE_ALL", {}),
        ("precise", "ORT_ENABLE_ALL", PRECISE),
    ]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        for key, value in config.items():
            options.add_session_config_entry(key, value)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        yield name, lambda feed, session=session: session.run(None, feed)[0]


def openvino(path):
    try:
        import openvino as ov
    except ImportError:
        return
    model = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    yield "openvino", lambda feed: model(feed)[model.output(0)]


def check(folder):
    import onnx

    folder, failed = pathlib.Path(folder), 0
    for case in json.loads((folder / "cases.json").read_text()):
        path = str(folder / case["model"])
        onnx.checker.check_model(path, full_check=True)
        read = lambda t: np.fromfile(folder / t["file"], np.float32).reshape(t["shape"])
        feed = {t["name"]: read(t).astype(t["dtype"]) for t in case["inputs"]}
        for runtime, run in [*sessions(path), *(openvino(path) if case["openvino"] else ())]:
            got = run(feed)
            for reference in case["references"]:
                rms, other = distance(got, read(reference))
                tolerance = reference["tolerance"].get(runtime)
                wrong = tolerance is not None and not rms <= tolerance
                failed += wrong
                verdict = "FAILED" if wrong else "ok" if tolerance is not None else "only reported"
                if wrong or case["verbose"]:
                    print(f"{case['name']:45} {runtime:13} {reference['name']:10} rms {rms:.2e} argmax {other:3} {verdict}")
    print(f"{failed} failed")
    return failed


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(*sys.argv[2:])
    else:
        sys.exit(min(check(sys.argv[2]), 1))
