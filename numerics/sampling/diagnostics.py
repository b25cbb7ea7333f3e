"""What a Markov chain's draws are worth: effective sample sizes, split R-hat, Monte Carlo errors.

Rank-normalised, on chains split into halves, as Vehtari, Gelman, Simpson, Carpenter and Buerkner (Bayesian
Analysis 16:667, 2021). A series is (chains, draws).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.special import chdtri, ndtri

Array = NDArray[np.float64]

FEWEST_DRAWS = 4  # of a chain: two per half
BY_CHANCE = 0.01


def ess_bulk(series: Array) -> float:
    """Effective draws for the location of the distribution."""
    return _ess(_normal_scores(_halves(series)))


def ess_tail(series: Array) -> float:
    """The smaller one of the effective draws of the 5 % and 95 % quantiles."""
    return min(_ess(_halves((series <= np.quantile(series, q)).astype(float))) for q in (0.05, 0.95))


def ess_mean(series: Array) -> float:
    """Effective draws for the mean, from which its error follows.

    Draws that alternate end the sum of correlations before slow ones are seen. Where means of half chains lie
    further apart than such a sum allows by chance, their spread decides.
    """
    halves = _halves(series)
    found = _ess(halves)
    # in ranks, for a heavy tail is no slow mode
    if math.isnan(found) or not _too_far_apart(_normal_scores(halves)):
        return found
    return min(found, _ess_by_spread(halves))


def _too_far_apart(chains: Array) -> bool:
    count, spread = len(chains), _ess_by_spread(chains)
    return bool((count - 1) * _ess(chains) / spread > chdtri(count - 1, BY_CHANCE))


def _ess_by_spread(chains: Array) -> float:
    """From how far the chains' means are apart; infinite where they are not."""
    between = float(chains.mean(axis=1).var(ddof=1)) if len(chains) > 1 else 0.0
    return len(chains) * float(np.var(chains)) / between if between > 0.0 else math.inf


def rhat(series: Array) -> float:
    """The larger one of bulk and folded split R-hat; NaN for one chain, or where nothing varies."""
    if len(series) < 2:
        return math.nan
    halves = _halves(series)
    folded = np.abs(halves - np.median(halves))
    return max(_rhat(_normal_scores(halves)), _rhat(_normal_scores(folded)))


def mean_error(series: Array) -> float:
    """Standard error of the mean over all draws."""
    spread = float(np.std(series, ddof=1)) if series.size > 1 else math.nan
    if spread == 0.0:
        return 0.0
    return spread / math.sqrt(ess_mean(series))


def _halves(series: Array) -> Array:
    """(2 chains, draws // 2): the middle draw of an odd number is left out."""
    half = series.shape[1] // 2
    return np.concatenate([series[:, :half], series[:, series.shape[1] - half :]])


def _normal_scores(series: Array) -> Array:
    """Each value replaced by the normal quantile of its rank."""
    from scipy.stats import rankdata  # here: a quarter of `import numerics` otherwise

    ranks = rankdata(series, axis=None).reshape(series.shape)
    return ndtri((ranks - 0.375) / (series.size + 0.25))


def _rhat(chains: Array) -> float:
    draws = chains.shape[1]
    if draws < 2:
        return math.nan
    within = float(chains.var(axis=1, ddof=1).mean())
    between = float(chains.mean(axis=1).var(ddof=1))
    return math.sqrt((draws - 1) / draws + between / within) if within > 0 else math.nan


def _ess(chains: Array) -> float:
    """By Geyer's initial monotone sequence."""
    count, draws = chains.shape
    if draws < 2 or not np.isfinite(chains).all():
        return math.nan
    centred = chains - chains.mean(axis=1, keepdims=True)
    length = next_fast_len(2 * draws)
    power = np.abs(np.fft.rfft(centred, length, axis=1)) ** 2
    covariances = np.fft.irfft(power, length, axis=1)[:, :draws].mean(axis=0) / draws
    within = covariances[0] * draws / (draws - 1)
    between = float(chains.mean(axis=1).var(ddof=1)) if count > 1 else 0.0
    total = within * (draws - 1) / draws + between
    if total <= 0.0:  # nothing varies
        return float(count * draws)
    correlations = 1.0 - (within - covariances * draws / (draws - 1)) / total
    correlations[0] = 1.0
    pairs = correlations[: draws // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    kept = np.minimum.accumulate(pairs[: negative[0] if len(negative) else len(pairs)])
    time = max(-1.0 + 2.0 * float(kept.sum()), 1.0 / math.log10(count * draws))
    return count * draws / time
