"""Mean and spread of each feature, over the real steps of sequences."""

import numpy as np

from sklstm._machine.compile import entry
from sklstm._machine.memory import load


@entry
def add_moments(sequences, sample_weight, like, unit, total, mean, square, largest):
    """Add sequences to the moments of their features, each step by its sequence's weight.

    Sums are taken sequence by sequence, in order, and these merged (Chan, Golub & LeVeque 1983): an
    offset costs no digits, and the bits depend on the numbers alone, not on how they lie in memory.

    Parameters
    ----------
    sequences : ndarray of shard.SEQUENCE, of shape (n,)
        Where the data is; all of it finite.
    sample_weight : float64 ndarray of shape (n,)
        Sequences of weight 0 are left out.
    like : ndarray of shape (0,)
        Of the type of the data.
    unit : float64 ndarray of shape (features,)
        What differences are multiplied by before they are squared.
    total : float64 ndarray of shape (1,)
        The weight of all steps so far, written.
    mean, square : float64 ndarrays of shape (features,)
        The mean so far, and the weighted sum of the squared differences from it, written.
    largest : float64 ndarray of shape (features,)
        The largest difference that was met, written.
    """
    for row in range(sequences.size):
        weight, steps = sample_weight[row], sequences[row]["length"]
        if weight == 0:
            continue
        before = total[0]
        added = weight * steps
        total[0] = before + added
        share = added / total[0]
        step_stride, address = sequences[row]["step_stride"], sequences[row]["address"]
        for k in range(mean.size):
            start = address + k * sequences[row]["feature_stride"]
            # The first step is near the others, so that their differences keep their digits.
            first = np.float64(load(start, like))
            one, two, most = 0.0, 0.0, largest[k]
            for t in range(1, steps):
                difference = (np.float64(load(start + t * step_stride, like)) - first) * unit[k]
                one += difference
                two += difference * difference
                most = max(most, abs(difference))
            own = one / steps
            square[k] += weight * (two - one * own)
            if before > 0:
                apart = (first - mean[k]) * unit[k] + own
                square[k] += apart * apart * before * share
                mean[k] += apart * share / unit[k]
                most = max(most, abs(apart))
            else:
                mean[k] = first + own / unit[k]
            largest[k] = most
