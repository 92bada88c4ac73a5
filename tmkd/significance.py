"""Whether one arm really beats another: paired tests and intervals over questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmkd.errors import DataError

RESAMPLES = 9_999
BATCH = 500  # resamples held in memory at once: 40 MB for 10,000 questions


@dataclass(frozen=True)
class PairedTest:
    """How arm a differs from arm b.

    Attributes:
        difference: mean of a minus mean of b, in the metric's unit.
        p_value: two-sided.
        low, high: 95 % percentile bootstrap interval of the difference.
    """

    difference: float
    p_value: float
    low: float
    high: float


def paired_test(a: np.ndarray, b: np.ndarray) -> PairedTest:
    """Test whether two arms differ on the same questions.

    Each arm's values are averaged over its seeds, then the questions' differences have their signs flipped at random
    (Fisher's randomization test, exact below 14 questions that differ; see Smucker et al., CIKM 2007).

    This accounts for the choice of test questions. It does not account for the choice of seeds: the answer is about
    these trained models, and other seeds may differ by more than the interval. Questions count as independent.

    Args:
        a, b: [seeds, questions], one value of the metric each; same questions in the same order, seeds may differ.

    Returns:
        The same result at every call, as the resampling has a fixed seed.

    Raises:
        DataError: arms with other shapes, fewer than two questions, or values that are not finite.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or a.shape[1] < 2 or not (len(a) and len(b)):
        raise DataError(
            "Paired test: expected two arms [seeds, questions] with the same two or more questions, but found shapes "
            f"{a.shape} and {b.shape}; evaluate both arms on the same split."
        )
    differences = _finite(a.mean(axis=0) - b.mean(axis=0))
    interval, _ = _bootstrap(differences)
    return PairedTest(float(differences.mean()), _p_value(differences), *interval)


def _p_value(differences: np.ndarray) -> float:
    # Zeros have no sign to flip: without them the sum, hence p, is the same, and most questions of two like arms tie.
    # Averaging seeds leaves rounding errors where arms tie, so zero means "too small to be a difference".
    signed = differences[~np.isclose(differences, 0.0, atol=1e-12)]
    if len(signed) < 2:
        return 1.0  # a lone difference is as extreme with either sign
    from scipy import stats

    result = stats.permutation_test(
        (signed,),
        np.sum,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def paired_bootstrap(a: np.ndarray, b: np.ndarray) -> PairedTest:
    """Test whether two arms differ, seed by seed, on the same questions: a bootstrap over questions.

    A resample draws questions with replacement, the same for every seed, and takes the mean of a − b over seeds and
    questions. p is the share of resamples whose distance from the observed difference is at least its distance from
    zero, the observed one counted among them (Davison and Hinkley, 1997, section 4.4). As in ``paired_test``, the
    answer is about these trained models and does not cover the choice of seeds.

    Args:
        a, b: [seeds, questions], one value of the metric each; same questions and same seeds in the same order. An arm
            with one seed is compared with every seed of the other.

    Returns:
        The same result at every call, as the resampling has a fixed seed.

    Raises:
        DataError: arms with other shapes, fewer than two questions, or values that are not finite.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    seeds = {len(values) for values in (a, b)} - {1}
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or a.shape[1] < 2 or len(seeds) > 1 or 0 in seeds:
        raise DataError(
            "Paired bootstrap: expected two arms [seeds, questions] with the same two or more questions and the same "
            f"seeds (or one), but found shapes {a.shape} and {b.shape}; train and evaluate both arms alike."
        )
    # The questions of a resample are the same for every seed, so the seeds' mean may be taken first.
    differences = _finite((a - b).mean(axis=0))
    interval, resampled = _bootstrap(differences)
    difference = differences.mean()
    # As far from it as zero is; rounding must not make two like arms differ.
    extreme = np.abs(resampled - difference) >= abs(difference) - 1e-12
    p_value = (1 + np.count_nonzero(extreme)) / (1 + len(resampled))
    return PairedTest(float(difference), float(p_value), *interval)


def _finite(differences: np.ndarray) -> np.ndarray:
    if not np.isfinite(differences).all():
        raise DataError(
            f"Paired test: expected finite values, but found NaN or infinity for {(~np.isfinite(differences)).sum()} "
            f"of {len(differences)} questions; leave out the seeds that have diverged."
        )
    return differences


def _bootstrap(differences: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    """Return the 95 % percentile interval of the mean, and the resampled means [resamples]."""
    from scipy import stats

    made = stats.bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", rng=np.random.default_rng(0)
    )
    interval = made.confidence_interval
    return (float(interval.low), float(interval.high)), made.bootstrap_distribution


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the number of comparisons (Holm, 1979); controls the family-wise error rate.

    Args:
        p_values: one per comparison, in any order.

    Returns:
        The adjusted p-values in the same order, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    # The smallest p is multiplied by the number of comparisons, the next by one less, ...; order is kept by a maximum.
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()
