"""Dropout masks: one a sequence, for the whole of its steps (Gal & Ghahramani 2016)."""

import numpy as np

BLOCK_ROWS = 64


class Dropout:
    """Draws the masks of minibatches into buffers that are made once.

    A mask is 0 or 1 / (1 - rate), so that what it multiplies keeps its expectation. The draws do
    not depend on dtype.

    Parameters
    ----------
    architecture : Architecture
    max_rows : int
        The most sequences of a minibatch.
    dropout, recurrent_dropout : float
        Shares that are dropped of the inputs of layers and head, and of recurrent states.
    bit_generator : BitGenerator
        Nothing is drawn from it where nothing is dropped.
    dtype : dtype
    """

    def __init__(self, architecture, max_rows, dropout, recurrent_dropout, bit_generator, dtype):
        self._drops = bool(dropout or recurrent_dropout)
        if not self._drops:
            return
        # A Generator fills an array that it is given, a RandomState makes one.
        self._generator = np.random.Generator(bit_generator)
        inputs, recurrent = map(sum, architecture.mask_sizes)
        rates = np.repeat([dropout, recurrent_dropout], [inputs, recurrent])
        # Some rows at a time. To broadcast a single row of rates, NumPy would make a buffer.
        block = min(max_rows, BLOCK_ROWS)
        self._rates = np.tile(rates, (block, 1))
        self._kept_values = np.tile(1 / (1 - rates), (block, 1)).astype(dtype)
        self._draws, self._kept = np.empty_like(self._rates), np.empty(self._rates.shape, bool)
        self._masks = np.empty((max_rows, len(rates)), dtype)

    def draw(self, rows):
        """Masks (rows, columns) of a minibatch, or None where nothing is dropped.

        Columns as of `Architecture.mask_sizes`. The next draw overwrites them.
        """
        if not self._drops:
            return None
        for start in range(0, rows, BLOCK_ROWS):
            self._draw_block(self._masks[start : min(start + BLOCK_ROWS, rows)])
        return self._masks[:rows]

    def _draw_block(self, masks):
        n = len(masks)
        draws, kept = self._draws[:n], self._kept[:n]
        self._generator.random(out=draws)
        np.greater_equal(draws, self._rates[:n], out=kept)
        np.copyto(masks, kept)
        masks *= self._kept_values[:n]
