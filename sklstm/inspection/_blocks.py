"""Sequences run block by block with their tapes open, some blocks at a time."""

from dataclasses import replace

import numpy as np

from sklstm._machine.processor import available_threads
from sklstm._machine.threads import beside
from sklstm._network.layout import make_layout
from sklstm._network.trace import Trace

# Bytes of a block's tape, about what the caches of a core hold, and its most rows: enough to fill
# the register tiles.
TAPE_BYTES, MOST_ROWS = 4_000_000, 48
# Fewer rows than this would read the weights of a large net too often: then a tape may be larger.
LEAST_ROWS, LARGE_TAPE_BYTES = 16, 64_000_000


def blocks_of(architecture, dtype, lengths):
    """Cut sequences into blocks, by data and model alone: long ones first, each with its like.

    Parameters
    ----------
    architecture : Architecture
    dtype : dtype
    lengths : ndarray of int, of shape (n_samples,)

    Returns
    -------
    blocks : list of ndarray of int
        The rows of each block.
    """
    order = np.argsort(-lengths, kind="stable")
    blocks = []
    while len(order):
        n_rows = most_rows(architecture, dtype, lengths[order[0]])
        blocks.append(order[:n_rows])
        order = order[n_rows:]
    return blocks


def most_rows(architecture, dtype, length):
    """How many sequences of this length, or shorter ones, are a block."""
    # The rest of a layout does not grow with the steps.
    few, more = (
        make_layout(architecture, dtype, MOST_ROWS, steps, True, x_gradient=True).work_size
        for steps in (1, 11)
    )
    bytes_of_row = (more - few) / 10 / MOST_ROWS * dtype.itemsize * length
    least = min(LEAST_ROWS, int(LARGE_TAPE_BYTES / bytes_of_row))
    return min(max(int(TAPE_BYTES / bytes_of_row), least, 1), MOST_ROWS)


def run_blocks(function, blocks):
    """Call a function for each block, in as many threads as there are.

    Parameters
    ----------
    function : callable
        Takes the rows of a block, and a function that says whether to stop: it returns soon then.
    blocks : list of ndarray of int
    """

    def run(rows, stopped):
        # Each thread has settings of its own.
        with np.errstate(all="ignore"):
            function(rows, stopped)

    with beside(min(available_threads(), len(blocks))) as begin:
        for rows in blocks:
            begin(run, rows)


def trace_of(given, rows):
    """Some of the given sequences, with their tapes open."""
    some = replace(given.sequences, records=given.sequences.records[rows])
    return Trace(given.architecture, some, given.weights, states=False)


def gradient_on_x(trace, d_raw):
    """The gradient on what the net has read, (n_samples, longest, n_features); NaN on padding."""
    return trace.backward(d_raw, weights=False)[1]
