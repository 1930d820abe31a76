"""Spans of steps: which rows have which of them.

Sequences are sorted by length, longest first, so that those that have a step are the first.
"""

from sklstm._kernels.tasks import BEGIN, END, REVERSE_BEGIN, REVERSE_END
from sklstm._machine.compile import kernel

# Places in a span, from where it is in an array of int64: the first step, and how many there are;
# how many rows have steps that are read before these, and after; and from STARTS on, where each
# step's rows start.
FIRST, STEPS, BEFORE, AFTER, STARTS = range(5)


@kernel
def ways(net):
    """How many spans there are: one, or one for each of two directions that read apart."""
    return 2 if net["directions"] > 1 and net["state_size"] > 0 else 1


@kernel
def span_of(net, spans, direction):
    """Where the span of a direction is; both have the same, unless they read apart."""
    return spans.size // 2 if direction > 0 and ways(net) > 1 else 0


@kernel
def write_spans(net, cells, sequences, rows, spans, turn):
    """Write the spans of steps that are read in a turn."""
    for way in range(ways(net)):
        begin, end = turn[BEGIN], turn[END]
        if way > 0:
            begin, end = turn[REVERSE_BEGIN], turn[REVERSE_END]
        at = span_of(net, spans, way)
        starts, steps = at + STARTS, min(end, sequences[rows[0]]["length"]) - begin
        running = rows.size
        spans[starts] = spans[starts + 1] = 0
        for t in range(steps):
            running = _still_running(sequences, rows, running, begin + t)
            spans[starts + t + 1] = spans[starts + t] + running
        earlier = spans[starts + 1] if begin > 0 or net["stream"] else 0
        later = _still_running(sequences, rows, running, begin + steps)
        if cells[way]["reverse"]:
            earlier, later = later, earlier
        spans[at + FIRST], spans[at + STEPS] = begin, steps
        spans[at + BEFORE], spans[at + AFTER] = earlier, later


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
