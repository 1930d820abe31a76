"""How features and targets are standardised: by mean and deviation, weighted."""

from dataclasses import replace

import numpy as np

from sklstm._kernels.moments import add_moments

# What an offset costs a deviation in rounding is below this share of the offset, in float64.
_ROUNDING = 10 * np.finfo(np.float64).eps
# Squares of differences beyond this, or below its inverse, may overflow or vanish.
_SAFE = 2.0**900


class FeatureMoments:
    """The mean and deviation of each feature over all steps of all sequences.

    Parameters
    ----------
    n_features : int
    sample_weight : ndarray of shape (n_samples,)
        How much each step of a sequence counts.
    """

    def __init__(self, n_features, sample_weight):
        # By a power of 2, which keeps all digits: a sum of weights may overflow.
        exponent = np.frexp(sample_weight.max())[1]
        weight = sample_weight.astype(np.float64)
        self._sample_weight = np.ldexp(weight, -exponent, out=weight)
        self._start(np.ones(n_features))

    def _start(self, unit):
        self._unit, self._total = unit, np.zeros(1)
        self._mean, self._square, self._largest = np.zeros((3, len(unit)))

    def add(self, records, first, dtype):
        """Add the sequences from number `first` on."""
        add_moments(
            records, self._sample_weight[first : first + len(records)], np.empty(0, dtype),
            self._unit, self._total, self._mean, self._square, self._largest,
        )  # fmt: skip

    def scaling(self, records, dtype):
        """What is subtracted from features, and what multiplies them then: (2, n_features).

        `records` are those of all sequences, for a second look at features of extreme sizes.
        """
        square = self._square / self._total
        extreme = (self._largest > 0) & ~((square > 1 / _SAFE) & (square < _SAFE))
        if extreme.any() and np.isfinite(self._largest).all():
            exponents = np.frexp(self._largest)[1]
            self._start(np.where(extreme, np.ldexp(1.0, -exponents.clip(-1000, 1000)), 1.0))
            self.add(records[:], 0, dtype)
            square = self._square / self._total
        deviation = _or_one(np.sqrt(square.clip(min=0)) / self._unit, self._mean)
        scaling = np.stack([self._mean, 1 / deviation])
        if not np.isfinite(scaling).all():
            k = int(np.argmin(np.isfinite(scaling).all(axis=0)))
            raise ValueError(
                f"Feature {k} of X has numbers too large to be standardised: differences of up to "
                f"{self._largest[k]:g}; scale it, or set normalize_X=False."
            )
        return scaling


def no_scaling(n_features):
    """Features as they are."""
    return np.stack([np.zeros(n_features), np.ones(n_features)])


def as_they_are(sequences):
    """Sequences whose features are not scaled."""
    return replace(sequences, scaling=no_scaling(sequences.n_features))


def mean_and_deviation(y, sample_weight):
    """Of each column of y; a column that is constant has the deviation 1."""
    # No products of matrices: their bits depend on the number of BLAS threads.
    share = (sample_weight / sample_weight.sum(dtype=np.float64))[:, np.newaxis]
    mean = (share * y).sum(axis=0)
    difference = y - mean
    # Else squares of very small or large numbers vanish or overflow.
    largest = np.maximum(difference.max(axis=0), -difference.min(axis=0))
    unit = np.where(largest > 0, largest, 1.0)
    # In place: of millions of targets, each copy counts.
    difference /= unit
    np.square(difference, out=difference)
    difference *= share
    deviation = unit * np.sqrt(difference.sum(axis=0))
    return mean, _or_one(deviation, mean)


def _or_one(deviation, mean):
    """The deviation, or 1 where it is but rounding, or too small to be divided by."""
    usable = (deviation > _ROUNDING * np.abs(mean)) & (deviation >= np.finfo(np.float64).tiny)
    # What is infinite or NaN is for the caller to refuse.
    return np.where(usable | ~np.isfinite(deviation), deviation, 1.0)
