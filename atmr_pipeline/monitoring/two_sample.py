"""Two-sample statistics that know that the courses of one day resemble each other.

Rows of one day share its weather, its traffic and its propagated delays, and rows of one week its season. A test that
counts them as independent alarms on nothing: one rainy week is one observation, not 84. Each sample is therefore
counted at its effective size, rows over design effect (Kish 1965), with the design effect estimated on the reference
from the intraclass correlation of days and of weeks. Independent rows have a design effect of 1 and keep full power.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLUSTER_DAYS = (1, 7)
MINIMUM_CLUSTERS = 4
"""Fewer clusters than this give no usable estimate of a correlation within them."""

SMALL_EXPECTED_COUNT = 5.0
"""Cochran (1954): categories with a smaller expected count are pooled before a chi-squared test."""


@dataclass(frozen=True)
class Comparison:
    """Outcome of one two-sample test.

    Parameters
    ----------
    statistic, p_value : float
        KS distance or chi-squared on effective counts, and its p-value.
    """

    statistic: float
    p_value: float


def intraclass_correlation(values: FloatArray, clusters: IntArray) -> float:
    """One-way analysis-of-variance estimate of the correlation within clusters (Donner 1986), not below 0.

    Parameters
    ----------
    values : ndarray of shape (n,)
    clusters : ndarray of shape (n,)
        Cluster number of each value.

    Returns
    -------
    float
        Between 0 and 1. 0 where it cannot be estimated: fewer than :data:`MINIMUM_CLUSTERS` clusters, no cluster
        with two values, or values that do not vary.
    """
    _, codes, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    n, k = len(values), len(sizes)
    if k < MINIMUM_CLUSTERS or n <= k:
        return 0.0
    cluster_means = np.bincount(codes, weights=values) / sizes
    between = float((sizes * (cluster_means - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - cluster_means[codes]) ** 2).sum() / (n - k))
    typical_size = (n - float((sizes**2).sum()) / n) / (k - 1)
    denominator = between + (typical_size - 1.0) * within
    return float(np.clip((between - within) / denominator, 0.0, 1.0)) if denominator > 0.0 else 0.0


def mean_cluster_size(clusters: IntArray) -> float:
    """Size of the cluster of an average row (sum of squared sizes over rows), which is what inflates a variance."""
    if len(clusters) == 0:
        return 1.0
    sizes = np.unique(clusters, return_counts=True)[1]
    return float((sizes.astype(np.float64) ** 2).sum() / len(clusters))


def cluster_correlations(scores: FloatArray, days_ago: IntArray) -> tuple[float, ...]:
    """Intraclass correlation of days and of weeks, one a length in :data:`CLUSTER_DAYS`.

    Parameters
    ----------
    scores : ndarray of shape (n, j)
        What is compared: ranks (j = 1), or one indicator a category. Several columns are averaged by their variance
        (Rao & Scott 1981).
    days_ago : ndarray of shape (n,)
        Days before the look, so that weeks line up with trailing windows.
    """
    weights = scores.var(axis=0) if len(scores) else np.zeros(scores.shape[1])
    varying = np.flatnonzero(weights > 0.0)
    if len(varying) == 0:
        return tuple(0.0 for _ in CLUSTER_DAYS)
    return tuple(
        float(
            np.average(
                [intraclass_correlation(scores[:, column], days_ago // days) for column in varying],
                weights=weights[varying],
            )
        )
        for days in CLUSTER_DAYS
    )


def design_effect(correlations: tuple[float, ...], days_ago: IntArray) -> float:
    """Variance inflation of a sample, at least 1: the larger of the day and the week effect (Kish 1965)."""
    effects = [
        1.0 + (mean_cluster_size(days_ago // days) - 1.0) * correlation
        for days, correlation in zip(CLUSTER_DAYS, correlations, strict=True)
    ]
    return max(1.0, *effects)


def kolmogorov_smirnov(
    reference: FloatArray, current: FloatArray, effective_reference: float, effective_current: float
) -> Comparison:
    """Two-sided KS test of two samples, at their effective sizes.

    The p-value is that of the one-sample statistic at size nm / (n + m) (Hodges 1958), exact enough from about ten
    observations and conservative for values with ties.
    """
    ordered_reference, ordered_current = np.sort(reference), np.sort(current)
    points = np.concatenate([ordered_reference, ordered_current])
    below_reference = np.searchsorted(ordered_reference, points, side="right") / len(reference)
    below_current = np.searchsorted(ordered_current, points, side="right") / len(current)
    distance = float(np.abs(below_reference - below_current).max())
    size = effective_reference * effective_current / (effective_reference + effective_current)
    return Comparison(distance, float(stats.kstwo.sf(distance, max(round(size), 1))))


def pool_rare(counts: FloatArray) -> FloatArray:
    """Merge the two smallest categories of a (2, categories) table until every expected count can bear the test."""
    table = counts[:, np.argsort(-counts.sum(axis=0), kind="stable")]
    expected_share = counts.sum(axis=1).min() / counts.sum()
    while table.shape[1] > 1 and table[:, -1].sum() * expected_share < SMALL_EXPECTED_COUNT:
        merged = np.column_stack([table[:, :-2], table[:, -2] + table[:, -1]])
        table = merged[:, np.argsort(-merged.sum(axis=0), kind="stable")]
    return table


def chi_squared(counts: FloatArray) -> Comparison | None:
    """Pearson's chi-squared test of homogeneity on a (2, categories) table of effective counts.

    Returns
    -------
    Comparison or None
        None where fewer than two categories are left to compare after pooling.
    """
    table = pool_rare(counts)
    if table.shape[1] < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return Comparison(statistic, float(stats.chi2.sf(statistic, table.shape[1] - 1)))


def normed_wasserstein(reference: FloatArray, current: FloatArray) -> float:
    """Wasserstein-1 distance over the reference's standard deviation; NaN where the reference does not vary."""
    spread = float(reference.std())
    return float(stats.wasserstein_distance(reference, current)) / spread if spread > 0.0 else float("nan")


def jensen_shannon(reference_share: FloatArray, current_share: FloatArray) -> float:
    """Jensen-Shannon distance, base 2, between 0 and 1, of two discrete distributions over the same categories."""
    middle = (reference_share + current_share) / 2.0
    divergence = 0.0
    for share in (reference_share, current_share):
        held = share > 0.0
        divergence += 0.5 * float((share[held] * np.log2(share[held] / middle[held])).sum())
    return float(np.sqrt(max(divergence, 0.0)))


def binned_shares(reference: FloatArray, current: FloatArray, bins: int = 10) -> tuple[FloatArray, FloatArray]:
    """Shares of both samples in the quantile bins of the reference, open at both ends; each of shape (<= bins,)."""
    edges = np.unique(np.quantile(reference, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, sample, side="right"), minlength=len(edges) + 1)
        for sample in (reference, current)
    ]
    return counts[0] / len(reference), counts[1] / len(current)
