"""Weights for a mixture of teachers' probabilities, p(y) = Σ_t w_t p_t(y), as stacking finds them.

Stacking learns non-negative weights on pairs that no member was trained on (Breiman 1996, "Stacked regressions"; Yao
et al., Bayesian Analysis 2018, for probabilities). The weights maximise the mixture's log-likelihood plus
λ Σ_t π_t log w_t, a Dirichlet prior around π that counts as much as λ pairs. For the weights of all pairs π is equal
weights; for those of a group it is the weights of all pairs, from which a group with few pairs hardly departs.

Shapes: likelihoods are what each teacher gives the gold label, [pairs, teachers], up to a factor for each pair; group
and question are numbers, [pairs].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

FOLDS = 5
STRENGTHS = (1e4, 1e3, 1e2, 1e1, 1.0)  # λ, in pairs; of equally good ones the first is taken
PRECISION = {"ftol": 1e-12, "gtol": 1e-7}  # of the loss of a pair, and of a weight


def stack(
    likelihoods: np.ndarray, group: np.ndarray, question: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Return the weights of all pairs [teachers], those of each group [groups, teachers], and λ of either.

    λ is chosen by cross-validation over questions: pairs of one question are alike, and must not judge each other.
    """
    equal = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    first = _strength(likelihoods, np.zeros_like(group), question, lambda _: equal)
    second = _strength(likelihoods, group, question, lambda at: mixture(likelihoods[at], equal, first))
    overall = mixture(likelihoods, equal, first)
    return overall, _by_group(likelihoods, group, overall, second, group.max() + 1), (first, second)


def mixture(likelihoods: np.ndarray, prior: np.ndarray, strength: float) -> np.ndarray:
    """Return the weights [teachers] of the highest posterior.

    Args:
        prior: π, [teachers], above 0, of sum 1.
        strength: λ, above 0.
    """
    total = len(likelihoods) + strength

    def loss(scores: np.ndarray) -> tuple[float, np.ndarray]:  # of weights softmax(scores), and its gradient
        weights = softmax(scores)
        mixed = likelihoods @ weights
        claimed = weights * (likelihoods.T @ (1 / mixed))  # how many pairs are each teacher's
        value = np.log(mixed).sum() + strength * (prior @ log_softmax(scores))
        return -value / total, weights - (claimed + strength * prior) / total

    weights: np.ndarray = softmax(minimize(loss, np.log(prior), jac=True, method="L-BFGS-B", options=PRECISION).x)
    return weights


def _by_group(
    likelihoods: np.ndarray, group: np.ndarray, prior: np.ndarray, strength: float, groups: int
) -> np.ndarray:
    """Return the weights of each group [groups, teachers]; of one without pairs, the prior."""
    return np.stack([mixture(likelihoods[group == each], prior, strength) for each in range(groups)])


def _strength(
    likelihoods: np.ndarray, group: np.ndarray, question: np.ndarray, prior: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Return the λ whose weights give the labels of other questions the highest likelihood.

    Args:
        prior: of the numbers of the pairs that are learnt from.
    """
    from sklearn.model_selection import GroupKFold

    folds = [
        (learnt, held_out, prior(learnt)) for learnt, held_out in GroupKFold(FOLDS).split(likelihoods, groups=question)
    ]

    def held_out_likelihood(strength: float) -> float:
        total = 0.0
        for learnt, held_out, centre in folds:
            weights = _by_group(likelihoods[learnt], group[learnt], centre, strength, group.max() + 1)
            total += float(np.log((weights[group[held_out]] * likelihoods[held_out]).sum(axis=1)).sum())
        return total

    return max(STRENGTHS, key=held_out_likelihood)
