"""Whether one arm really beats another: a paired permutation test and a bootstrap interval over questions."""

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
    differences = a.mean(axis=0) - b.mean(axis=0)
    if not np.isfinite(differences).all():
        raise DataError(
            f"Paired test: expected finite values, but found NaN or infinity for {(~np.isfinite(differences)).sum()} "
            f"of {len(differences)} questions; leave out the seeds that have diverged."
        )
    from scipy import stats

    interval = stats.bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, batch=BATCH, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return PairedTest(float(differences.mean()), _p_value(differences), float(interval.low), float(interval.high))


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
