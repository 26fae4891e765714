//! The plug-in traits and the registry entry.

use crate::{Fp8Format, IntFormat, QParams, QuantError, Range, StatKind, Stats, Symmetry, nearest};

/// One batch of a site's values, as an observer sees it.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Place of the batch in the calibration order; unique over the whole pass.
    pub index: u64,
    /// Rows of the batch axis.
    pub samples: u64,
    /// All elements, row-major.
    pub values: &'a [f32],
}

/// Gathers statistics of one site over the calibration data.
///
/// Own observers are exactly mergeable and order-free: any split of the data over batches, threads or
/// machines gives the same bytes. NaN and ±Inf are counted and otherwise ignored. Observers that reproduce
/// a peer keep that peer's dependence on the order of batches, and say so.
pub trait Observer: Send {
    /// Sees one batch.
    fn observe(&mut self, batch: &Batch<'_>);

    /// Sees one batch whose samples differ in length, because padding was left out: the values of sample `i` end
    /// before `ends[i]`. Statistics that do not tell samples apart are those of [`Observer::observe`].
    fn observe_uneven(&mut self, batch: &Batch<'_>, ends: &[usize]) {
        let _ = ends;
        self.observe(batch);
    }

    /// Everything seen so far.
    fn stats(&self) -> Stats;

    /// Whether any order and any split of the data gives the same statistics. Where not, merging two
    /// observers that both saw data is an error.
    fn order_free(&self) -> bool {
        true
    }

    /// Merges what another observer of the same kind saw on other data.
    ///
    /// # Errors
    /// As [`Stats::absorb`].
    fn absorb(&mut self, other: &Stats) -> Result<(), QuantError>;
}

/// What a calibrator is asked: one site's statistics and the format to map them to.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The site, for messages.
    pub site: &'a str,
    /// What was observed there.
    pub stats: &'a Stats,
    /// The format of the codes.
    pub format: IntFormat,
    /// Whether the zero point is free.
    pub symmetry: Symmetry,
}

/// Chooses quantization parameters from statistics. Pure: the same job gives the same bytes.
pub trait Calibrator: Send + Sync {
    /// The statistics that [`Calibrator::range`] reads.
    fn needs(&self) -> &'static [StatKind];

    /// Why the method has no answer for this combination; `None` when it has one. Plans leave such
    /// combinations out with this reason.
    fn unsupported(&self, _format: IntFormat, _symmetry: Symmetry) -> Option<&'static str> {
        None
    }

    /// The range of values to represent; what lies outside is clipped.
    ///
    /// # Errors
    /// [`QuantError::NoSample`] without a finite value, [`QuantError::MissingStat`] without a needed
    /// statistic.
    fn range(&self, job: &Job<'_>) -> Result<Range, QuantError>;

    /// Scale and zero point for that range. A dialect whose peer derives them in another way overrides
    /// this.
    ///
    /// # Errors
    /// As [`Calibrator::range`].
    fn calibrate(&self, job: &Job<'_>) -> Result<QParams, QuantError> {
        QParams::from_range(job.site, self.range(job)?, job.format, job.symmetry)
    }
}

/// Chooses the scales of weights from the weights themselves. Pure.
pub trait WeightCalibrator: Send + Sync {
    /// The magnitude that the outermost code `q_max` stands for, for weights that share a symmetric scale.
    /// The values are finite.
    fn bound(&self, values: &[f32], q_max: i32) -> f32;

    /// Scales for every `chunk` weights in turn: the tensor's length per tensor, the length of an output
    /// channel's weights per channel, a divisor of that per group.
    ///
    /// # Errors
    /// As [`QParams::of_chunks`].
    fn calibrate(
        &self,
        site: &str,
        data: &[f32],
        chunk: usize,
        format: IntFormat,
    ) -> Result<QParams, QuantError> {
        QParams::of_chunks(site, data, chunk, format, |values, q_max| self.bound(values, q_max))
    }
}

/// Chooses the scale of an 8-bit floating-point format from statistics. Pure.
pub trait Fp8Calibrator: Send + Sync {
    /// The statistics that [`Fp8Calibrator::scale`] reads.
    fn needs(&self) -> &'static [StatKind];

    /// The scale S by which values are divided before they are rounded to the format.
    ///
    /// # Errors
    /// As [`Calibrator::range`].
    fn scale(&self, site: &str, stats: &Stats, format: Fp8Format) -> Result<f32, QuantError>;
}

/// One registered plug-in.
pub struct Entry<T: ?Sized> {
    /// Kebab-case name, unique in its registry.
    pub id: &'static str,
    /// One line of help.
    pub summary: &'static str,
    /// Paper and reference implementation.
    pub source: &'static str,
    /// Builds the plug-in.
    pub construct: fn() -> Box<T>,
}

/// The entry called `id`, or an error that names the nearest.
///
/// # Errors
/// [`QuantError::Unknown`].
pub fn find<'a, T: ?Sized>(
    registry: &'a [Entry<T>],
    what: &'static str,
    id: &str,
) -> Result<&'a Entry<T>, QuantError> {
    registry.iter().find(|e| e.id == id).ok_or_else(|| QuantError::Unknown {
        what,
        name: id.to_owned(),
        suggestion: nearest(id, registry.iter().map(|e| e.id)).map(str::to_owned),
        known: registry.iter().map(|e| e.id).collect::<Vec<_>>().join(", "),
    })
}
