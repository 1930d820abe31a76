"""The turns of a shard: which steps it reads in each, with a tape or without, and what follows.

To learn in several segments, all but the last are read without a tape. When the way back comes to
one, it is read again, from the state that was put aside before.

Of two directions, each is a net of its own up to the pooling, and reads the segments from its own
end. Where the pooling takes the last states alone, both do so at once. Else it takes those of a
segment from both, in the order of the steps: the reverse direction is read without it first, and
then again, from the states that were put aside. Both go back at once, each from where it ended.
"""

import numba

from sklstm._kernels.head import reads_each_step
from sklstm._kernels.pooling import PLACES
from sklstm._kernels.shard import NET
from sklstm._kernels.spans import ways
from sklstm._kernels.tasks import (
    AGAIN,
    ALONE,
    ANSWERS,
    BACK,
    BACKWARD,
    BEGIN,
    CHUNKS,
    END,
    FORWARD,
    LAST,
    LEARN,
    LOSES,
    PLACE,
    PREDICT,
    REACH,
    REVERSE_AGAIN,
    REVERSE_BEGIN,
    REVERSE_END,
    REVERSE_PLACE,
    SEGMENT,
    TAPE,
    WHAT,
)
from sklstm._machine.compile import kernel
from sklstm._machine.linkage import INDEX, INDICES, SEGMENTS, linked, vector_type
from sklstm._machine.memory import copy

_LAST_STATES = PLACES["last"]
_NET_TYPE = numba.from_dtype(NET)


@kernel
def take_all(task, longest, turn):
    """Write the turn of a shard whose sequences are one segment, the longest of so many steps."""
    what = task[WHAT]
    turn[BEGIN] = turn[REVERSE_BEGIN] = turn[ALONE] = 0
    turn[END] = turn[REVERSE_END] = longest
    turn[TAPE], turn[LOSES] = what != PREDICT, what == LEARN
    turn[BACK] = what in (LEARN, BACKWARD)
    turn[ANSWERS] = turn[LAST] = 1


# By the type of numbers as all that is linked, though it touches none.
@linked(
    INDICES, _NET_TYPE, INDEX, INDEX, INDEX, INDICES, vector_type, links=SEGMENTS
)  # fmt: skip
def take(task, net, number, longest, shortest, turn, like):
    """Write a shard's turn, by its number from 0 on; of its sequences, how long two are."""
    if ways(net) > 1:
        _take_of_two(task, net, number, longest, turn)
        return
    what, learn = task[WHAT], task[WHAT] == LEARN
    # The last segment.
    final = (longest - 1) // task[SEGMENT]
    alone = learn and task[CHUNKS] > 0
    again = learn and number > final
    segment = 2 * final - number if again else number
    begin, end = segment * task[SEGMENT], (segment + 1) * task[SEGMENT]
    if task[REACH] > 0 or task[CHUNKS] > 0:
        # The last one ends with the longest sequence; it is the first that is short.
        short = (final + 1) * task[SEGMENT] - longest
        begin, end = max(0, begin - short), end - short
    end, unreached = min(end, longest), 0
    if task[REACH] > 0:
        unreached = max(0, shortest - task[REACH])
    back = what == BACKWARD or (learn and (number >= final or alone))
    # A sequence with one output has it when all of it is read.
    answers = not again or reads_each_step(net)
    turns = 2 * final + 1 if learn and not alone else final + 1
    turn[BEGIN] = turn[REVERSE_BEGIN] = begin
    turn[END] = turn[REVERSE_END] = end
    turn[PLACE] = turn[REVERSE_PLACE] = -1
    if learn and final > 0 and end > unreached and not alone:
        turn[PLACE] = final - segment
    turn[AGAIN], turn[REVERSE_AGAIN] = again, 0
    turn[TAPE], turn[ANSWERS] = back or what == FORWARD, answers
    turn[LOSES], turn[BACK], turn[ALONE] = learn and back and answers, back, alone
    turn[LAST] = number + 1 == turns or (back and begin <= unreached and not alone)


@kernel
def _take_of_two(task, net, number, longest, turn):
    """The same of two directions that read apart."""
    final = (longest - 1) // task[SEGMENT]
    learn, in_order = task[WHAT] == LEARN, net["pooling"] != _LAST_STATES
    reading = (2 if in_order else 1) * (final + 1)
    # Segments, -1 being none.
    forward, reverse = number, final - number
    ahead = in_order and number <= final
    back = number >= reading
    if back:
        forward, reverse = final - (number - reading), number - reading
    elif ahead:
        forward = -1
    elif in_order:
        forward = reverse = number - (final + 1)
    answers = not ahead and not back
    read = answers and number + 1 == reading
    turn[BEGIN] = max(0, forward * task[SEGMENT])
    turn[END] = min((forward + 1) * task[SEGMENT], longest)
    turn[REVERSE_BEGIN] = max(0, reverse * task[SEGMENT])
    turn[REVERSE_END] = min((reverse + 1) * task[SEGMENT], longest)
    turn[PLACE] = forward if learn else -1
    turn[REVERSE_PLACE] = reverse if learn or in_order else -1
    turn[AGAIN], turn[REVERSE_AGAIN] = back, back or (in_order and answers)
    turn[TAPE], turn[ANSWERS] = back, answers
    turn[LOSES] = learn and (read or (answers and reads_each_step(net)))
    turn[BACK], turn[ALONE] = back, 0
    turn[LAST] = number == reading + final if learn else read


@linked(_NET_TYPE, vector_type, INDICES, links=SEGMENTS)
def put_aside(net, work, turn):
    """Put aside what the segments of a turn start from, or put it back."""
    size = net["state_size"] // ways(net)
    for way in range(ways(net)):
        place, back = turn[PLACE], turn[AGAIN]
        if way > 0:
            place, back = turn[REVERSE_PLACE], turn[REVERSE_AGAIN]
        if place < 0:
            continue
        here = net["state"] + way * size
        there = net["aside"] + place * net["state_size"] + way * size
        if back:
            copy(work, there, work, here, size)
        else:
            copy(work, here, work, there, size)
