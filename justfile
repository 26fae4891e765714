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

# everything that CI checks
ci:
    bash .ci/run
