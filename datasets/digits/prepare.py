"""Prepare datasets/digits: scikit-learn's copy of UCI optdigits' test set as Parquet.

Run from this folder, in an environment with scikit-learn 1.9 and pyarrow 26:

    python prepare.py

Writes digits.parquet next to this script and prints its sha256 and the split counts,
which belong in dataset.toml. The split is fixed by SEED and does not depend on the
library versions: it only uses the images' own bytes and Python's `random.Random`.
"""

import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

SEED = 20240229
COUNTS = {"train": 1097, "calibration": 200, "test": 500}
CLASSES = 10
SIDE = 8


def apportion(total: int, sizes: list[int]) -> list[int]:
    """Largest-remainder shares of `total`, proportional to `sizes`."""
    everything = sum(sizes)
    shares = [total * size // everything for size in sizes]
    by_remainder = sorted(
        range(len(sizes)),
        key=lambda i: (-(total * sizes[i] % everything), i),
    )
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares


def split(images: list[bytes], labels: list[int]) -> list[str]:
    """A split name per image, stratified by class; equal images land in one split."""
    rng = random.Random(SEED)
    by_class = [[i for i, y in enumerate(labels) if y == c] for c in range(CLASSES)]
    sizes = [len(rows) for rows in by_class]
    test = apportion(COUNTS["test"], sizes)
    calibration = apportion(COUNTS["calibration"], sizes)

    names = ["train"] * len(images)
    copies: dict[bytes, int] = {}
    for image in images:
        copies[image] = copies.get(image, 0) + 1
    for c, rows in enumerate(by_class):
        rng.shuffle(rows)
        # An image that occurs more than once stays in the training split.
        single = [i for i in rows if copies[images[i]] == 1]
        for i in single[: test[c]]:
            names[i] = "test"
        for i in single[test[c] : test[c] + calibration[c]]:
            names[i] = "calibration"
    return names


def main() -> None:
    digits = load_digits()
    pixels = digits.data.astype("uint8")
    assert (pixels == digits.data).all() and pixels.max() <= 16
    images = [row.tobytes() for row in pixels]
    labels = [int(y) for y in digits.target]
    names = split(images, labels)

    found = {name: names.count(name) for name in COUNTS}
    assert found == COUNTS, found
    seen: dict[bytes, str] = {}
    for image, name in zip(images, names):
        assert seen.setdefault(image, name) == name, "an image is in two splits"

    columns = {
        "split": pa.array(names, pa.string()),
        "label": pa.array(labels, pa.uint8()),
    }
    for row in range(SIDE):
        for column in range(SIDE):
            columns[f"p{row}{column}"] = pa.array(
                pixels[:, row * SIDE + column], pa.uint8()
            )
    path = Path(__file__).with_name("digits.parquet")
    pq.write_table(
        pa.table(columns), path, compression="zstd", compression_level=19
    )
    print("sha256", hashlib.sha256(path.read_bytes()).hexdigest())
    print("bytes", path.stat().st_size)
    print("splits", found)


if __name__ == "__main__":
    main()
