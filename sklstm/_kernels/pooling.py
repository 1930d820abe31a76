"""What the head reads of the hidden states: an entry of one table for each way.

A pooling is three kernels, of one row and one direction of the top layer. Sequences are read in
segments of steps (see ``shard``), so what a pooling knows so far is kept between two of them.

- `add(work, kept, hidden, stride, units, starts, row, steps, last, fresh)` takes in the hidden
  states of a segment: step t of the row is at `hidden + (starts[t] + row) * stride`, for `steps`
  steps, of which `last` is the one that is read last. It writes `units` numbers from `kept` on;
  with `fresh`, the segment is the first.
- `read(work, kept, pooled, units, length)` writes what the head reads, when all `length` steps of
  the sequence are taken in.
- `back(work, d_pooled, dh, stride, units, starts, row, steps, last, final, length)` hands the
  gradient back: it writes that of the hidden states of a segment where they are not 0. With
  `final`, the segment has the step that is read last of all.
"""

from typing import NamedTuple

from sklstm._machine.compile import kernel
from sklstm._machine.memory import add, clear, copy


class Pooling(NamedTuple):
    """The three kernels."""

    add: object
    read: object
    back: object


@kernel
def _add_last(work, kept, hidden, stride, units, starts, row, steps, last, fresh):
    copy(work, hidden + (starts[last] + row) * stride, work, kept, units)


@kernel
def _read_last(work, kept, pooled, units, length):
    copy(work, kept, work, pooled, units)


@kernel
def _back_last(work, d_pooled, dh, stride, units, starts, row, steps, last, final, length):
    if final:
        copy(work, d_pooled, work, dh + (starts[last] + row) * stride, units)


@kernel
def _add_mean(work, kept, hidden, stride, units, starts, row, steps, last, fresh):
    if fresh:
        clear(work, kept, units)
    for t in range(steps):
        add(work, hidden + (starts[t] + row) * stride, work, kept, units)


@kernel
def _read_mean(work, kept, pooled, units, length):
    share = work.dtype.type(1) / work.dtype.type(length)
    for j in range(units):
        work[pooled + j] = work[kept + j] * share


@kernel
def _back_mean(work, d_pooled, dh, stride, units, starts, row, steps, last, final, length):
    share = work.dtype.type(1) / work.dtype.type(length)
    for t in range(steps):
        to = dh + (starts[t] + row) * stride
        for j in range(units):
            work[to + j] = share * work[d_pooled + j]


POOLINGS = {
    "last": Pooling(_add_last, _read_last, _back_last),
    "mean": Pooling(_add_mean, _read_mean, _back_mean),
}


def _by_number(first, *others):
    """A kernel that calls one of some kernels, by its number in their order."""
    if not others:

        @kernel
        def call(number, *arguments):
            first(*arguments)

        return call
    rest = _by_number(*others)

    @kernel
    def choose(number, *arguments):
        if number == 0:
            first(*arguments)
        else:
            rest(number - 1, *arguments)

    return choose


add_states, read_states, hand_back = (
    _by_number(*kernels) for kernels in zip(*POOLINGS.values(), strict=True)
)
