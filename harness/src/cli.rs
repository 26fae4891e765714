//! The command line.

use std::path::PathBuf;

use calibench_kernels::KernelSet;
use calibench_onnx::{Codes, DEFAULT_OPSET};
use calibench_quant::{Dtype, Granularity, Symmetry, Timing};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::axes::Axes;
use crate::backend;
use crate::commands::explain::Explain;
use crate::commands::formats::Formats;
use crate::config::SimulateOn;
use crate::lab::options::{Calibrate, Merge, Observe};
use crate::own::{ModelName, Own};
use crate::precision::{Sensitivity, Support, Tune};
use crate::regress::options::{self as regress, BaselineCommand};

/// Measures what reduced precision costs and gains: calibration methods, accuracy, latency and memory.
#[derive(Debug, Parser)]
#[command(name = "calibench", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `calibench sweep`. `calibench help COMMAND` says more.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure a grid of cells and write a report
    ///
    /// Without options the built-in configuration runs: three models, every dtype and timing mode, every
    /// calibration method. Each cell runs in a process of its own; results go to a new folder below
    /// reports/runs.
    ///
    /// Naming a dtype, timing, calibrator, granularity or symmetry replaces the configuration's groups of
    /// cells by the product of what is named, with all values of what is not; the other axes replace those
    /// of every group. Combinations without meaning are left out; --dry-run says why.
    #[command(after_help = "Examples:\n  \
        calibench sweep\n  \
        calibench sweep --model digits-cnn --dtype int8 --timing static --calibrator entropy\n  \
        calibench sweep --config my.toml --dry-run\n  \
        calibench sweep --model resnet.onnx --data images.npz --scale 255 --timing static,dynamic\n  \
        calibench sweep --model digits-cnn --dtype fp32,int8 --timing none,static --backend native,onnxruntime\n  \
        calibench sweep --resume reports/runs/20261124T140300Z-host-abc1234\n\n\
        Exit status: 0 done, 1 error, 2 wrong usage, 3 some cells failed, 130 interrupted.")]
    Sweep(Box<Sweep>),
    /// List what can be chosen: models, datasets, dtypes, timings, observers, calibrators, kernels, …
    List {
        /// What to list
        what: Registry,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Write the report of a run again from its rows
    Report {
        /// The run folder
        run: PathBuf,
    },
    /// Print the plan of a model step by step: kernels, types, shapes, work, and where its time goes
    #[command(after_help = "Examples:\n  \
        calibench explain digits-vit\n  \
        calibench explain resnet.onnx --data images.npz --dtype int8 --timing dynamic --batch 8\n  \
        calibench explain --run RUN --cell digits-cnn/int8/static/mse --format json")]
    Explain(Box<Explain>),
    /// Export a measured cell as an ONNX model: fp32, fp16, or QDQ with its scales and zero points
    #[command(after_help = "Examples:\n  \
        calibench export --run RUN --cell digits-cnn/int8/static/mse --out model.onnx\n  \
        calibench export --run RUN --cell fp16-storage --out half.onnx --opset 17\n  \
        calibench export --run RUN --cell int8/static/entropy --codes unsigned --out q.onnx --qparams q.json")]
    Export(ExportOptions),
    /// Find out what each operator does with each number format on this machine, by running it
    ///
    /// Says whether a format is computed in, emulated, only stored, or not touched at all; what sums are taken in; whether int8
    /// products saturate; and what it costs or gains against fp32.
    #[command(after_help = "Examples:\n  \
        calibench support\n  \
        calibench support --dtype fp16-compute,int8 --op Linear,LayerNorm\n  \
        calibench support --backend native,onnxruntime --dtype int8 --format json")]
    Support(Support),
    /// Show number formats, or what each makes of given values
    #[command(after_help = "Examples:\n  \
        calibench formats\n  \
        calibench formats 1e-12 1e5 0.1\n  \
        calibench formats -3.7 --max 6 --format json")]
    Formats(Formats),
    /// Show which operations of a model suffer from fp16, bf16 or int8, why, and which to keep in fp32
    ///
    /// Every site is looked at three ways: what the format does to its own values (overflow, values that become 0, NaN and where
    /// it comes about, an epsilon that vanishes), what the output becomes when it alone is converted, and what it becomes
    /// when all but it are. The list that is proposed is the shortest found with which the output comes close to fp32.
    #[command(after_help = "Examples:\n  \
        calibench sensitivity digits-epsilon\n  \
        calibench sensitivity digits-vit --dtype int8 --calibrator entropy --out findings\n  \
        calibench sensitivity resnet.onnx --data images.npz --dtype bf16 --samples 128 --top 0\n\n\
        Exit status: 0 done, 1 error, 2 wrong usage, 130 interrupted.")]
    Sensitivity(Box<Sensitivity>),
    /// Choose which operations to convert, for the least latency or memory within a budget of accuracy
    ///
    /// One half of the test data is searched on: sites are ordered by what their conversion does to the output for what it
    /// saves, as measured on the plan. The other half decides: the configurations within the budget are tested there, timed
    /// against fp32, and the cheapest is taken. fp32 and each format for all sites are among them.
    #[command(after_help = "Examples:\n  \
        calibench tune digits-vit --max-drop 0.2%\n  \
        calibench tune resnet.onnx --data images.npz --dtype fp16,int8 --objective memory\n  \
        calibench tune minilm-folder --data pairs.csv --max-drop 1% --out tuned\n\n\
        The same command with the same --out goes on where it was interrupted.\n\
        Exit status: 0 done, 1 error, 2 wrong usage, 130 interrupted (the best so far is written).")]
    Tune(Box<Tune>),
    /// Calibrate tensors in a file: thresholds, scales, zero points and distances of every method
    #[command(after_help = "Examples:\n  \
        calibench calibrate --tensors activations.safetensors\n  \
        calibench calibrate --tensors a.npz --case layer3 --calibrator mse,entropy@nvidia --symmetric --plot t.svg\n  \
        calibench calibrate --tensors a.npy --calibrator percentile-99.99 --bootstrap 200 --curve\n  \
        calibench calibrate --tensors w.safetensors --weights --axis 0 --dtype int4\n  \
        calibench calibrate --stats stats.json --format json\n\n\
        Exit status: 0 done, 1 error (also when no method has an answer), 2 wrong usage.")]
    Calibrate(Box<Calibrate>),
    /// Gather statistics of tensors in a file, to merge and replay
    Observe(Observe),
    /// Combine statistics that were gathered of parts of the data
    Merge(Merge),
    /// Compare two runs: what changed, whether by more than chance, and by how much
    ///
    /// Accuracy is paired sample by sample (exact McNemar test, or a permutation test), latency is the ratio to the fp32
    /// twin over all rounds and processes (Welch's test), and p-values are corrected over all cells (Holm). What is the same
    /// at every repetition (answers, calibrated ranges, operations, memory) is compared as it is.
    #[command(after_help = "Examples:\n  \
        calibench compare reports/runs/A reports/runs/B\n  \
        calibench compare reports/baseline reports/runs/B --only accuracy,memory\n  \
        calibench compare A B --format markdown > comparison.md")]
    Compare(Box<regress::Compare>),
    /// Keep runs to compare later ones with
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Measure what a baseline measured, and fail when anything became worse
    ///
    /// Without --run it measures: what the baseline did, or what the options of `sweep` name. Where latency is too noisy to
    /// tell, it measures that again in more processes.
    #[command(after_help = "Examples:\n  \
        calibench check\n  \
        calibench check --run reports/runs/B --max-accuracy-drop 1% --max-latency-increase 10%\n  \
        calibench check --only accuracy,memory --junit check.xml --markdown check.md\n  \
        calibench check --model resnet.onnx --data images.npz --dtype int8 --timing static --calibrator mse\n\n\
        Exit status: 0 clean, 1 regression, 2 could not tell (too few samples, too noisy), 3 could not run (no baseline, a \
        missing cell, wrong usage), 130 interrupted.")]
    Check(Box<regress::Check>),
    /// Show how accuracy, latency and memory of cells went over the entries of a baseline
    #[command(after_help = "Examples:\n  \
        calibench history --cell digits-cnn/int8/static/mse\n  \
        calibench history --cell digits-cnn/int8 --figure latency --plots plots")]
    History(Box<regress::History>),
    /// Print the built-in configuration, to copy and change
    Config,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Measure one cell of a run (started by `sweep`, once per cell)
    #[command(hide = true)]
    Cell {
        /// The run folder
        #[arg(long)]
        run: PathBuf,
        /// The cell's id
        #[arg(long)]
        id: String,
        /// 0 measures everything, a later process latency only
        #[arg(long, default_value_t = 0)]
        process: u32,
    },
}

/// Options of `sweep`. Lists are separated by commas or by repeating the option.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Configuration file (TOML); `calibench config` prints the built-in one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Models to measure: built-in names, or ONNX files, which need --data
    #[arg(long, value_delimiter = ',', value_name = "NAME|FILE", help_heading = "Axes", value_parser = ModelName)]
    pub model: Vec<String>,
    /// Number formats
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(Dtype::ALL.iter().map(|d| d.id())))]
    pub dtype: Vec<String>,
    /// When activation ranges are found
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(Timing::ALL.iter().map(|t| t.id())))]
    pub timing: Vec<String>,
    /// Calibration methods of static cells
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(calibench_calibrators::ALL.iter().map(|c| c.id)))]
    pub calibrator: Vec<String>,
    /// Scales of weights
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(Granularity::ALL.iter().map(|g| g.id())))]
    pub granularity: Vec<String>,
    /// Zero points of activations
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(Symmetry::ALL.iter().map(|s| s.id())))]
    pub symmetry: Vec<String>,
    /// Kernels: instruction sets, and with avx2 two ways to multiply bytes: 7-bit weights (faster, exact), and saturating as
    /// other runtimes do without VNNI; `best` is the best of this machine
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = kernel_names())]
    pub kernel: Vec<String>,
    /// What executes: our own plan (native), the reference on a GPU (cuda, in builds with that feature), or another runtime, where
    /// it is installed, on the exported model
    #[arg(long, value_delimiter = ',', value_name = "NAME", help_heading = "Axes", value_parser = names(backend::names()))]
    pub backend: Vec<String>,
    /// Worker threads of a cell
    #[arg(long, value_delimiter = ',', value_name = "N", help_heading = "Axes")]
    pub threads: Vec<usize>,
    /// Seeds of training
    #[arg(long, value_delimiter = ',', value_name = "N", help_heading = "Axes")]
    pub seed: Vec<u64>,
    /// Calibration sets: 0 is the plain one, others are drawn from it with replacement
    #[arg(long, value_delimiter = ',', value_name = "N", help_heading = "Axes")]
    pub draw: Vec<u32>,
    /// Batch sizes whose latency is measured
    #[arg(long, value_delimiter = ',', value_name = "N", help_heading = "Measuring")]
    pub batch: Vec<usize>,
    /// Seconds of timing per batch size and cell
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    pub latency_seconds: Option<f64>,
    /// Processes that measure the latency of each cell; comparisons want 3 or more
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    pub repeats: Option<usize>,
    /// Refuse to begin when a fixed workload swings by more than this on the machine; it warns above 10%
    #[arg(long, value_name = "PERCENT", help_heading = "Measuring", value_parser = regress::percent)]
    pub max_noise: Option<f64>,
    /// Let the system move cells between CPUs while they are timed
    #[arg(long, help_heading = "Measuring")]
    pub no_pin: bool,
    /// Operations that stay in fp32: products in integer cells, any in those of half precision; names, with * for any
    /// characters, or op:OPERATOR; with =fp16 or =bf16 behind, their weights are held as such halves
    #[arg(long, value_delimiter = ',', value_name = "PATTERN", help_heading = "Measuring")]
    pub keep_float: Vec<String>,
    /// Samples that ranges are found on
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    pub calibration_samples: Option<usize>,
    /// What the fp32 model is observed on, and quantization simulated; cells themselves run where --backend says
    #[arg(long, value_enum, help_heading = "Measuring")]
    pub simulate_on: Option<SimulateOn>,
    /// Folder with dataset.toml that replaces the built-in models' dataset
    #[arg(long, value_name = "DIR", help_heading = "Measuring")]
    pub dataset: Option<PathBuf>,
    /// The run folder to write, new or empty [default: reports/runs/UTC-HOST-COMMIT]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with a run that was interrupted: finished cells are kept, its own configuration is used
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "model", "dtype", "timing", "calibrator", "granularity", "symmetry", "kernel", "backend", "threads", "seed", "draw", "batch", "latency_seconds", "repeats", "no_pin", "max_noise", "calibration_samples", "simulate_on", "keep_float", "dataset", "data", "dry_run"])]
    pub resume: Option<PathBuf>,
    /// Print the cells, what stays in floating point and what is left out, and measure nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What your own models are tested on, and how; last, because its heading holds for what follows
    #[command(flatten)]
    pub own: Own,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The run folder
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// The cell's id, or parts of it that fit one cell only, joined by /
    #[arg(long, value_name = "ID")]
    pub cell: String,
    /// The ONNX file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Version of the ONNX operator set, 13 to 21
    #[arg(long, value_name = "N", default_value_t = DEFAULT_OPSET)]
    pub opset: i64,
    /// How activation codes are written; the values are the same
    #[arg(long, value_enum, default_value_t = CodesOption::Unsigned)]
    pub codes: CodesOption,
    /// How weight codes are written; ONNX Runtime and OpenVINO are fastest with int8, but saturate with it on x86
    /// without VNNI [default: signed where this CPU has VNNI or is no x86, else unsigned]
    #[arg(long, value_enum)]
    pub weight_codes: Option<CodesOption>,
    /// Nodes that compute in fp32 in an fp16 model [default: those that the run keeps in fp32, if any, else
    /// normalisations, softmax and reductions]
    #[arg(long, value_delimiter = ',', value_name = "NODE")]
    pub keep: Vec<String>,
    /// Also write the quantization parameters of every site as JSON
    #[arg(long, value_name = "FILE")]
    pub qparams: Option<PathBuf>,
}

/// How 8-bit activation codes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CodesOption {
    /// int8
    Signed,
    /// uint8
    Unsigned,
}

impl From<CodesOption> for Codes {
    fn from(option: CodesOption) -> Self {
        match option {
            CodesOption::Signed => Self::Signed,
            CodesOption::Unsigned => Self::Unsigned,
        }
    }
}

/// A parser of the names of sets of kernels, and of `best`.
pub(crate) fn kernel_names() -> PossibleValuesParser {
    names(["best"].into_iter().chain(KernelSet::ALL.iter().map(|set| set.id())))
}

/// A parser of the names of a registry: help and completions list them, an error names the nearest.
pub(crate) fn names(known: impl Iterator<Item = &'static str>) -> PossibleValuesParser {
    PossibleValuesParser::new(known.collect::<Vec<_>>())
}

impl Sweep {
    /// The axes that were named.
    #[must_use]
    pub fn axes(&self) -> Axes {
        fn named<T: Clone>(values: &[T]) -> Option<Vec<T>> {
            (!values.is_empty()).then(|| values.to_vec())
        }
        Axes {
            model: named(&self.model),
            dtype: named(&self.dtype),
            timing: named(&self.timing),
            calibrator: named(&self.calibrator),
            granularity: named(&self.granularity),
            symmetry: named(&self.symmetry),
            kernel: named(&self.kernel),
            backend: named(&self.backend),
            threads: named(&self.threads),
            seed: named(&self.seed),
            draw: named(&self.draw),
        }
    }
}

/// What `list` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Registry {
    /// Built-in models
    Models,
    /// Built-in datasets
    Datasets,
    /// Number formats
    Dtypes,
    /// Timing modes
    Timings,
    /// What gathers statistics
    Observers,
    /// Calibration methods
    Calibrators,
    /// Calibration methods for weights
    WeightCalibrators,
    /// Calibration methods for 8-bit floating point
    Fp8Calibrators,
    /// Kernels and their instruction sets
    Kernels,
    /// ONNX operators that are imported
    Operators,
    /// Columns of a row
    Metrics,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}
