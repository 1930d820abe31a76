"""Spans of steps: which rows have which of them.

Sequences are sorted by length, longest first, so that those that have a step are the first.
"""

from typing import NamedTuple

import numpy as np

from sklstm._machine.compile import kernel
from sklstm._machine.memory import block


class Steps(NamedTuple):
    """The steps that a cell reads in a turn, from one span.

    Parameters
    ----------
    starts : int64 ndarray
        Where each one's rows start, from the first on.
    begin, steps : int
        The first one, and how many there are.
    before, after : int
        How many rows have steps that are read before these, and after.
    """

    starts: np.ndarray
    begin: int
    steps: int
    before: int
    after: int


@kernel
def ways(net):
    """How many spans there are: one, or one for each of two directions that read apart."""
    return 2 if net["directions"] > 1 and net["state_size"] > 0 else 1


@kernel
def all_steps(net, cells, sequences, rows, starts, span, reverse_span):
    """The steps that the first direction reads, and the second."""
    n = starts.size // ways(net)
    first = second = Steps(starts, 0, 0, 0, 0)
    # One call: every call is a copy of the loop.
    for place in range(ways(net)):
        there, from_to = block(starts, place * n, n), reverse_span if place > 0 else span
        first, second = second, _steps_of(net, cells[place], sequences, rows, there, from_to)
    return first if ways(net) > 1 else second, second


@kernel
def _steps_of(net, cell, sequences, rows, starts, span):
    """The steps that a cell reads, from `span`; writes where each step's rows start."""
    begin, end = span
    steps = min(end, sequences[rows[0]]["length"]) - begin
    running = rows.size
    starts[0] = starts[1] = 0
    for t in range(steps):
        running = _still_running(sequences, rows, running, begin + t)
        starts[t + 1] = starts[t] + running
    earlier = starts[1] if begin > 0 or net["stream"] else 0
    later = _still_running(sequences, rows, running, begin + steps)
    if cell["reverse"]:
        earlier, later = later, earlier
    return Steps(starts, begin, steps, earlier, later)


@kernel
def count_left(left, cell, sequences, rows, begin):
    """Write how many steps each row has from step `begin` on, or in reverse before it."""
    for r in range(left.size):
        left[r] = begin if cell["reverse"] else sequences[rows[r]]["length"] - begin


@kernel
def _still_running(sequences, rows, running, t):
    """How many of the first `running` rows have a step t."""
    while running > 0 and sequences[rows[running - 1]]["length"] <= t:
        running -= 1
    return running
