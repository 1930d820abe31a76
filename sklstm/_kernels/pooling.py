"""What the head reads of the hidden states: an entry of one table for each way.

A pooling is three kernels, of one row and one direction of the top layer. Sequences are read in
segments of steps (see ``shard``): what is known so far is kept between them, `n_kept` numbers for
each unit. Those of a unit are `width` apart from `kept` on.

- `add(work, kept, width, hidden, stride, units, starts, row, begin, steps, last)` takes in the
  hidden states of a segment, which is `steps` steps from step `begin` on. Its t-th is at
  `hidden + (starts[t] + row) * stride`; of these, the one that is read last is `last`. Writes what
  is kept.
- `read(work, kept, width, pooled, units, length)` writes what the head reads, when all `length`
  steps of the sequence are taken in.
- `back(work, d_pooled, kept, width, dh, stride, units, starts, row, begin, steps, last, final,
  length)` hands the gradient back: it writes that of the hidden states of a segment, where it is
  not 0. With `final`, the segment has the step that is read last of all.

A pooling that keeps nothing has no kernels: the head reads each step by itself.
"""

from typing import NamedTuple

from sklstm._machine.linkage import FLAG, INDEX, INDICES, linked_choice, vector_type
from sklstm._machine.memory import add, clear, copy


class Pooling(NamedTuple):
    """The three kernels, and how many numbers are kept for each unit."""

    add: object = None
    read: object = None
    back: object = None
    n_kept: int = 1


def _add_last(work, kept, width, hidden, stride, units, starts, row, begin, steps, last):
    copy(work, hidden + (starts[last] + row) * stride, work, kept, units)


def _read_kept(work, kept, width, pooled, units, length):
    copy(work, kept, work, pooled, units)


def _back_last(
    work, d_pooled, kept, width, dh, stride, units, starts, row, begin, steps, last, final, length
):  # fmt: skip
    if final:
        copy(work, d_pooled, work, dh + (starts[last] + row) * stride, units)


def _add_mean(work, kept, width, hidden, stride, units, starts, row, begin, steps, last):
    if begin == 0:
        clear(work, kept, units)
    for t in range(steps):
        add(work, hidden + (starts[t] + row) * stride, work, kept, units)


def _read_mean(work, kept, width, pooled, units, length):
    share = work.dtype.type(1) / work.dtype.type(length)
    for j in range(units):
        work[pooled + j] = work[kept + j] * share


def _back_mean(
    work, d_pooled, kept, width, dh, stride, units, starts, row, begin, steps, last, final, length
):  # fmt: skip
    share = work.dtype.type(1) / work.dtype.type(length)
    for t in range(steps):
        to = dh + (starts[t] + row) * stride
        for j in range(units):
            work[to + j] = share * work[d_pooled + j]


def _add_max(work, kept, width, hidden, stride, units, starts, row, begin, steps, last):
    for t in range(steps):
        at = hidden + (starts[t] + row) * stride
        for j in range(units):
            hidden_t, most = work[at + j], work[kept + j]
            # NaN is not equal to itself, and must be seen.
            if begin + t == 0 or hidden_t > most or hidden_t != hidden_t:
                work[kept + j] = hidden_t
                # The first step that has it; float32 counts up to 16 million.
                work[kept + width + j] = begin + t


def _back_max(
    work, d_pooled, kept, width, dh, stride, units, starts, row, begin, steps, last, final, length
):  # fmt: skip
    for j in range(units):
        t = int(work[kept + width + j]) - begin
        if 0 <= t < steps:
            work[dh + (starts[t] + row) * stride + j] = work[d_pooled + j]


POOLINGS = {
    "last": Pooling(_add_last, _read_kept, _back_last),
    "mean": Pooling(_add_mean, _read_mean, _back_mean),
    "max": Pooling(_add_max, _read_kept, _back_max, n_kept=2),
    # The last: it has no place among the kernels.
    None: Pooling(n_kept=0),
}


# Of each among the kernels of all.
PLACES = {name: place for place, name in enumerate(POOLINGS)}


def _choice(name, *arguments):
    kernels = {each: getattr(pooling, name) for each, pooling in POOLINGS.items() if pooling.n_kept}
    return linked_choice(f"{__name__}.{name}", kernels, vector_type, *arguments)


# Each takes the number of a pooling, its place in the table, and then what its kernel takes.
add_states, _ADD = _choice("add", *[INDEX] * 5, INDICES, *[INDEX] * 4)
read_states, _READ = _choice("read", *[INDEX] * 5)
hand_back, _BACK = _choice("back", *[INDEX] * 6, INDICES, *[INDEX] * 4, FLAG, INDEX)


def link(name, dtype, training):
    """Make the kernels of a pooling ready, if it has any."""
    if name is None:
        return
    place = PLACES[name]
    for links in (_ADD, _READ, _BACK) if training else (_ADD, _READ):
        links[place].link(dtype)
