"""Makes the tensor files in this folder. Run with Python 3, numpy 2.4.6 and safetensors 0.8.0.

The values are chosen by hand so that the tests can state them; see tests/tensor_files.rs.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from safetensors import TensorSpec, serialize_file

HERE = Path(__file__).parent

# 0, 1, ..., 23 as [2, 3, 4]: row-major order counts up.
COUNT = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

INTEGERS = {
    "i8": np.array([-128, 0, 127], np.int8),
    "u8": np.array([0, 1, 255], np.uint8),
    "i16": np.array([-32768, 0, 32767], np.int16),
    "u16": np.array([0, 1, 65535], np.uint16),
    "i32": np.array([-(2**31), 0, 2**24 + 1], np.int32),
    "u32": np.array([0, 1, 2**32 - 1], np.uint32),
    "i64": np.array([-(2**63), 0, 2**24 + 3], np.int64),
    "u64": np.array([0, 1, 2**64 - 1], np.uint64),
    "bool": np.array([False, True, True]),
}
FLOATS = {
    "f16": np.array([-0.5, 65504, np.inf, np.nan, 2**-24], np.float16),
    "f32": np.array([-0.5, 3.4028235e38, -np.inf, np.nan, 1e-45], np.float32),
    # -1e39 overflows f32; the infinity and the NaN were there before, and the last is its largest value.
    "f64": np.array([0.1, np.inf, np.nan, -1e39, 3.4028235e38], np.float64),
}


def npy(array, version=None):
    """The bytes of a .npy file; a version other than numpy's choice is written by hand."""
    out = io.BytesIO()
    if version is None:
        np.save(out, array)
    else:
        np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def main():
    (HERE / "count.npy").write_bytes(npy(COUNT))
    (HERE / "fortran.npy").write_bytes(npy(np.asfortranarray(COUNT)))
    (HERE / "big_endian.npy").write_bytes(npy(COUNT.astype(">f4")))
    (HERE / "version2.npy").write_bytes(npy(COUNT, (2, 0)))
    (HERE / "version3.npy").write_bytes(npy(COUNT, (3, 0)))
    (HERE / "scalar.npy").write_bytes(npy(np.float64(2.5)))
    (HERE / "empty.npy").write_bytes(npy(np.zeros((0, 3), np.float32)))
    (HERE / "complex.npy").write_bytes(npy(np.zeros(2, np.complex64)))
    (HERE / "text.npy").write_bytes(npy(np.array(["a", "bc"])))
    (HERE / "record.npy").write_bytes(npy(np.zeros(2, [("a", "<f4"), ("b]", "<i2", (2,))])))
    out = io.BytesIO()
    np.save(out, np.array([{}, None], object), allow_pickle=True)
    (HERE / "object.npy").write_bytes(out.getvalue())

    np.savez(HERE / "stored.npz", **{f"act.{i}": np.full((1, 2), i, np.float32) for i in range(4)})
    np.savez_compressed(HERE / "deflated.npz", zeros=np.zeros((64, 64), np.float32), count=COUNT)

    # numpy has neither of these: the upper halves of 1.0, -2.5, infinity and a NaN, and three bytes of fp8.
    bf16 = np.array([[0x3F80, 0xC020], [0x7F80, 0x7FC0]], np.uint16)
    tensors = {name: (array, str(array.dtype)) for name, array in {**INTEGERS, **FLOATS}.items()}
    tensors["bf16"] = (bf16, "bfloat16")
    tensors["fp8"] = (np.zeros(3, np.uint8), "float8_e4m3fn")
    specs = {
        name: TensorSpec(dtype=dtype, shape=list(array.shape), data_ptr=array.ctypes.data, data_len=array.nbytes)
        for name, (array, dtype) in tensors.items()
    }
    serialize_file(specs, HERE / "dtypes.safetensors", {"made_by": "make.py"})
    (HERE / "f64_big_endian.npy").write_bytes(npy(FLOATS["f64"].astype(">f8")))


if __name__ == "__main__":
    main()
