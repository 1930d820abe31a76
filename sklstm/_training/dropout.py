"""Dropout masks: one a sequence, for the whole of its steps (Gal & Ghahramani 2016)."""

import numpy as np


def draw_masks(architecture, rows, dropout, recurrent_dropout, random_state, dtype):
    """Masks of 0 and 1 / (1 - rate), so that what they multiply keeps its expectation.

    Parameters
    ----------
    architecture : Architecture
    rows : int
        Sequences of the minibatch.
    dropout, recurrent_dropout : float
        Shares that are dropped of the inputs of layers and head, and of recurrent states.
    random_state : RandomState
    dtype : dtype

    Returns
    -------
    masks : ndarray of shape (rows, columns) or None
        Columns as of `Architecture.mask_sizes`; None where nothing is dropped.
    """
    if not (dropout or recurrent_dropout):
        return None
    inputs, recurrent = map(sum, architecture.mask_sizes)
    rates = np.repeat([dropout, recurrent_dropout], [inputs, recurrent])
    kept = random_state.uniform(size=(rows, len(rates))) >= rates
    return (kept / (1 - rates)).astype(dtype)
