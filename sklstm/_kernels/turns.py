"""The turns of a shard: which steps it reads in each, with a tape or without, and what follows.

To learn in several segments, all but the last are read without a tape. When the way back comes to
one, it is read again, from the state that was put aside before.

Of two directions, each is a net of its own up to the pooling, and reads the segments from its own
end. Where the pooling takes the last states alone, both do so at once. Else it takes those of a
segment from both, in the order of the steps: the reverse direction is read without it first, and
then again, from the states that were put aside. Both go back at once, each from where it ended.
"""

from typing import NamedTuple

from sklstm._kernels.head import reads_each_step
from sklstm._kernels.pooling import PLACES
from sklstm._kernels.spans import ways
from sklstm._kernels.tasks import BACKWARD, CHUNKS, FORWARD, LEARN, REACH, SEGMENT, WHAT
from sklstm._machine.compile import kernel

_LAST = PLACES["last"]


class Turn(NamedTuple):
    """What a shard does in a turn.

    Parameters
    ----------
    span, reverse_span : (int, int)
        From where to where the first direction reads, and the second; to nowhere if it does not.
    place, reverse_place : int
        Where the states that they start from are put aside; -1: nowhere.
    again, reverse_again : bool
        Whether they are put back instead.
    tape, answers, loses, back : bool
        Whether what is read is kept, whether the pooling and the head take it in, whether a loss
        follows, and the way back.
    alone : bool
        Whether no gradient leaves a segment.
    last : bool
        Whether it is the shard's last.
    """

    span: tuple
    reverse_span: tuple
    place: int
    reverse_place: int
    again: bool
    reverse_again: bool
    tape: bool
    answers: bool
    loses: bool
    back: bool
    alone: bool
    last: bool


@kernel
def take(task, net, turn, longest, shortest):
    """What a shard does in a turn, counted from 0; of its sequences, how long two are."""
    what, learn = task[WHAT], task[WHAT] == LEARN
    # The last segment.
    final = (longest - 1) // task[SEGMENT]
    if ways(net) > 1:
        return _take_of_two(task, net, turn, final, longest)
    alone = learn and task[CHUNKS] > 0
    again = learn and turn > final
    segment = 2 * final - turn if again else turn
    begin, end = segment * task[SEGMENT], (segment + 1) * task[SEGMENT]
    if task[REACH] > 0 or task[CHUNKS] > 0:
        # The last one ends with the longest sequence; it is the first that is short.
        short = (final + 1) * task[SEGMENT] - longest
        begin, end = max(0, begin - short), end - short
    end, unreached = min(end, longest), 0
    if task[REACH] > 0:
        unreached = max(0, shortest - task[REACH])
    back = what == BACKWARD or (learn and (turn >= final or alone))
    place = final - segment if learn and final > 0 and end > unreached and not alone else -1
    # A sequence with one output has it when all of it is read.
    answers = not again or reads_each_step(net)
    turns = 2 * final + 1 if learn and not alone else final + 1
    return Turn(
        (begin, end), (begin, end), place, -1, again, False, back or what == FORWARD, answers,
        learn and back and answers, back, alone,
        turn + 1 == turns or (back and begin <= unreached and not alone),
    )  # fmt: skip


@kernel
def _take_of_two(task, net, turn, final, longest):
    """The same of two directions that read apart."""
    learn, in_order = task[WHAT] == LEARN, net["pooling"] != _LAST
    reading = (2 if in_order else 1) * (final + 1)
    # Segments, -1 being none.
    forward, reverse = turn, final - turn
    ahead = in_order and turn <= final
    back = turn >= reading
    if back:
        forward, reverse = final - (turn - reading), turn - reading
    elif ahead:
        forward = -1
    elif in_order:
        forward = reverse = turn - (final + 1)
    answers = not ahead and not back
    read = answers and turn + 1 == reading
    return Turn(
        _span(task, forward, longest), _span(task, reverse, longest),
        forward if learn else -1, reverse if learn or in_order else -1,
        back, back or (in_order and answers), back, answers,
        learn and (read or (answers and reads_each_step(net))), back, False,
        turn == reading + final if learn else read,
    )  # fmt: skip


@kernel
def _span(task, segment, longest):
    """From where to where a segment is."""
    return max(0, segment * task[SEGMENT]), min((segment + 1) * task[SEGMENT], longest)
