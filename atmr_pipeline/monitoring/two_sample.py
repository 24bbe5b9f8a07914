"""Two-sample statistics that know that the courses of one day resemble each other.

Rows of one day share its weather, its traffic and its propagated delays, and rows of one week its season. A test that
counts them as independent alarms on nothing: one rainy week is one observation, not 84. Each sample is therefore
counted at its effective size, rows over design effect (Kish 1965), with the design effect estimated on the reference
from the intraclass correlation of days and of weeks. Independent rows have a design effect of 1 and keep full power.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CLUSTER_DAYS = (1, 7)
MINIMUM_CLUSTERS = 4
"""Fewer clusters than this give no usable estimate of a correlation within them."""

EXACT_BELOW = 0.05
"""KS p-values above this alarm on nothing, so their upper bound will do."""

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


def intraclass_correlation(values: FloatArray, clusters: IntArray) -> FloatArray:
    """One-way analysis-of-variance estimate of the correlation within clusters (Donner 1986), not below 0.

    Parameters
    ----------
    values : ndarray of shape (n,) or (n, j)
        Each column is estimated by itself.
    clusters : ndarray of shape (n,)
        Cluster number of each row.

    Returns
    -------
    ndarray of shape () or (j,)
        Between 0 and 1. 0 where it cannot be estimated: fewer than :data:`MINIMUM_CLUSTERS` clusters, no cluster
        with two values, or values that do not vary.
    """
    columns = values if values.ndim == 2 else values[:, None]
    codes, sizes = _numbered(clusters)
    n, k = len(columns), len(sizes)
    found = np.zeros(columns.shape[1])
    if k >= MINIMUM_CLUSTERS and n > k:
        # Deviations first: the sums of squares of a column far from 0 would lose their digits.
        deviations = columns - columns.mean(axis=0)
        sums = np.stack([np.bincount(codes, weights=column) for column in deviations.T], axis=1)
        explained = (sums**2 / sizes[:, None]).sum(axis=0)
        between = explained / (k - 1)
        within = ((deviations**2).sum(axis=0) - explained) / (n - k)
        typical_size = (n - float((sizes**2).sum()) / n) / (k - 1)
        spread = between + (typical_size - 1.0) * within
        varying = spread > 1e-12 * np.maximum(np.abs(columns).max(axis=0) ** 2, 1e-300)
        found[varying] = np.clip((between - within)[varying] / spread[varying], 0.0, 1.0)
    return found if values.ndim == 2 else found[0]


def _numbered(clusters: IntArray) -> tuple[IntArray, FloatArray]:
    """Clusters numbered from 0, and how many rows each has."""
    if len(clusters) == 0:
        return clusters, np.empty(0)
    shifted = clusters - clusters.min()
    counts = np.bincount(shifted)
    present = counts > 0
    return (np.cumsum(present) - 1)[shifted], counts[present].astype(np.float64)


def mean_cluster_size(clusters: IntArray) -> float:
    """Size of the cluster of an average row (sum of squared sizes over rows), which is what inflates a variance."""
    if len(clusters) == 0:
        return 1.0
    sizes = np.bincount(clusters - clusters.min()).astype(np.float64)
    return float((sizes**2).sum() / len(clusters))


def cluster_correlations(scores: FloatArray, days: IntArray) -> tuple[float, ...]:
    """Intraclass correlation of days and of weeks, one a length in :data:`CLUSTER_DAYS`.

    Parameters
    ----------
    scores : ndarray of shape (n, j)
        What is compared: ranks (j = 1), or one indicator a category. Several columns are averaged by their variance
        (Rao & Scott 1981).
    days : ndarray of shape (n,)
        Number of each row's day.
    """
    weights = scores.var(axis=0) if len(scores) else np.zeros(scores.shape[1])
    varying = weights > 0.0
    if not varying.any():
        return tuple(0.0 for _ in CLUSTER_DAYS)
    return tuple(
        float(np.average(intraclass_correlation(scores[:, varying], days // length), weights=weights[varying]))
        for length in CLUSTER_DAYS
    )


def design_effect(correlations: tuple[float, ...], cluster_sizes: tuple[float, ...]) -> float:
    """Variance inflation of a sample, at least 1: the larger of the day and the week effect (Kish 1965).

    Parameters
    ----------
    correlations, cluster_sizes : tuple of float
        Of days and of weeks; the sizes are those of :func:`mean_cluster_size`.
    """
    return max(
        1.0, *(1.0 + (size - 1.0) * correlation for size, correlation in zip(cluster_sizes, correlations, strict=True))
    )


def kolmogorov_smirnov(distances: FloatArray, sizes: FloatArray) -> FloatArray:
    """Two-sided p-values of KS distances between two samples, at their effective sizes.

    Parameters
    ----------
    distances, sizes : ndarray of shape (tests,)
        Largest differences of the two distribution functions, and nm / (n + m) of the effective sizes (Hodges 1958).

    Returns
    -------
    ndarray of shape (tests,)
        Where it is small enough to matter, twice the exact one-sided probability (Smirnov 1944), which is the
        two-sided one to eight digits; elsewhere its upper bound (Massart 1990), a little too large.
    """
    rounded = np.maximum(np.round(sizes), 1.0)
    values = np.minimum(2.0 * np.exp(-2.0 * rounded * distances**2), 1.0)
    small = values < EXACT_BELOW
    values[small] = 2.0 * special.smirnov(rounded[small].astype(np.int64), distances[small])
    return values


def pool_rare(counts: FloatArray) -> FloatArray:
    """Merge the two smallest categories of a (2, categories) table until every expected count can bear the test."""
    expected_share = counts.sum(axis=1).min() / counts.sum()
    if (counts.sum(axis=0) * expected_share >= SMALL_EXPECTED_COUNT).all():
        return counts
    table = counts[:, np.argsort(-counts.sum(axis=0), kind="stable")]
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
    return Comparison(statistic, float(special.chdtrc(table.shape[1] - 1, statistic)))


def jensen_shannon(reference_share: FloatArray, current_share: FloatArray) -> float:
    """Jensen-Shannon distance, base 2, between 0 and 1, of two discrete distributions over the same categories."""
    middle = (reference_share + current_share) / 2.0
    divergence = 0.0
    for share in (reference_share, current_share):
        held = share > 0.0
        divergence += 0.5 * float((share[held] * np.log2(share[held] / middle[held])).sum())
    return float(np.sqrt(max(divergence, 0.0)))
