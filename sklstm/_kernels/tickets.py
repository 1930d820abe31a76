"""The kernel that threads run together: groups of shards of a minibatch, taken by ticket.

Or pieces of a pass over all weights.

A sleeping thread takes 50 to 150 microseconds to wake, as long as a shard takes to compute. So a
worker stays inside one call, without the GIL, and spins between minibatches; when nothing comes for
a while it returns, and its Python thread blocks. Which thread takes which group does not matter to
the result: every shard has its own place for outputs, every group its own for a gradient.

Where there are fewer groups than threads, a group has as many tickets as its crew (see ``crew``)
may have threads.
"""

from typing import NamedTuple

import numpy as np

from sklstm._kernels import crew, head, losses, passes, shard, turns
from sklstm._kernels.counters import (
    ASLEEP,
    CREWS,
    GIVEN_UP,
    GROUPS,
    LEFT_AT,
    LEFT_TURN,
    STOP,
    TICKETS,
    UNFINISHED,
)
from sklstm._kernels.tasks import (
    AT_A_TIME,
    BACK,
    BACKWARD,
    BEGIN,
    CREW,
    END,
    FORWARD,
    GROUP,
    LAST,
    LOSES,
    LOSS,
    PACK,
    PATIENT,
    SHARDS,
    WHAT,
)
from sklstm._machine.compile import entry, kernel, resolved
from sklstm._machine.memory import atomic_add, atomic_load, atomic_store, block

# How often an idle thread looks for work before it gives up: about a millisecond.
PATIENCE = 1_000_000
# The machine code of `_run` by the bytes of a number, and of `_publish`.
_RESOLVED: dict = {}


class RoundContext(NamedTuple):
    """All that a round works on: one thing for the kernel, made once for many rounds.

    Parameters
    ----------
    control : int64 ndarray of shape (CONTROL_SIZE,)
        The counters.
    task : int64 ndarray of shape (tasks.TASK_SIZE,)
        What is to be done: see ``tasks``.
    net, cells : ndarrays of shard.NET, of shape (1,), and cell.CELL
        The net's layout; of all cells each thread has copies, with its share.
    packed : ndarray of shape (size,)
        The packed weights.
    sequences : ndarray of shard.SEQUENCE, of shape (samples,)
        Where the data is.
    scaling : float64 ndarray of shape (2, features)
        What is subtracted from features, and what multiplies them then.
    rows : int64 ndarray
        The minibatch: indices into `sequences`.
    masks : ndarray of shape (rows, columns)
        Dropout masks; read if the layout says so.
    bounds : int64 ndarray
        Shard s holds rows[bounds[s] : bounds[s + 1]].
    work : ndarray of shape (slots, size)
        Scratch: a slot for each member, or for FORWARD and BACKWARD for each shard.
    spans : int64 ndarray of shape (slots or threads, directions that read apart * span)
        Scratch: see ``spans``. Where gradients are cut, there is a place more for each row.
    turns : int64 ndarray of shape (threads, tasks.TURN_SIZE)
        Scratch: what each thread does now.
    raw, d_raw : ndarrays of shape (outputs of all rows, outputs of one)
        The raw outputs, written; their gradient, read, or to LEARN written.
    places : int64 ndarray
        From where on those of each row of the minibatch are.
    gradients : ndarray of shape (groups, size)
        The gradient of each group, its shards' added up in their order, written.
    blocks : int64 ndarray of shape (blocks, 7)
        Where the parts of a gradient are: see `updates.add_gradients`.
    total : ndarray of shape (n_weights,)
        To ADD_UP: the sum of the groups' gradients, written. To PACK, its size is read.
    parameters : float64 ndarray of shape (1 + settings,)
        To LEARN: what sample weights are multiplied by, and the settings of the loss.
    targets, sample_weight : ndarrays of shape (targets, columns) and (targets,)
        To LEARN: what the net should say, and how much it counts.
    target_places : int64 ndarray of shape (samples,)
        From where on those of each sample are.
    values : float64 ndarray of the shape of `raw`
        To LEARN: the weighted loss, written.
    """

    control: np.ndarray
    task: np.ndarray
    net: np.ndarray
    cells: np.ndarray
    packed: np.ndarray
    sequences: np.ndarray
    scaling: np.ndarray
    rows: np.ndarray
    masks: np.ndarray
    bounds: np.ndarray
    work: np.ndarray
    spans: np.ndarray
    turns: np.ndarray
    raw: np.ndarray
    d_raw: np.ndarray
    places: np.ndarray
    gradients: np.ndarray
    blocks: np.ndarray
    total: np.ndarray
    parameters: np.ndarray
    targets: np.ndarray
    sample_weight: np.ndarray
    target_places: np.ndarray
    values: np.ndarray


def run(member, context):
    """Do groups until there are no more; member 0 then waits for the others, they for more work.

    Member 0, the caller, returns now and then, in the midst of a shard too, and goes on where it
    left. The others are workers.

    Returns
    -------
    finished : bool
        True if all groups are done (member 0), or a worker is told to stop. False if it lost
        patience, or member 0 has done some work: it should be called again; after a pause, if no
        work was left in the midst of a shard.
    """
    # Of every context, all types follow from that of its numbers.
    size = context.raw.itemsize
    if size not in _RESOLVED:
        _RESOLVED[size] = resolved(_run, member, context)
    return _RESOLVED[size](member, context)


@entry
def _run(member, context):
    control, task = context.control, context.task
    n_cells = context.net[0]["layers"] * context.net[0]["directions"]
    cells = block(context.cells, member * n_cells, n_cells)
    idle, done = 0, 0
    while idle < PATIENCE:
        s, number = -1, 0
        if member == 0 and control[LEFT_AT] >= 0:
            s, number = control[LEFT_AT], control[LEFT_TURN]
            control[LEFT_AT] = -1
        # A ticket above zero proves that all of the round's arguments are in place.
        elif atomic_load(control, TICKETS) > 0:
            ticket = atomic_add(control, TICKETS, -1)
            if ticket > 0 and task[WHAT] >= PACK:
                passes.do_piece(
                    task, context.net, cells, context.packed, context.gradients, context.blocks,
                    context.total, control[GROUPS] - ticket, control[GROUPS],
                )  # fmt: skip
                atomic_add(control, UNFINISHED, -1)
                idle = 0
                continue
            if ticket > 0:
                # In order: the first shards have the longest sequences.
                s = (control[GROUPS] - ticket) // task[CREW] * task[GROUP]
                if task[CREW] > 1:
                    group, patience = s // task[GROUP], task[PATIENT]
                    crew.join(control, group, task[CREW], patience, cells, context.packed)
                    if cells[0]["member"] < 0:
                        atomic_add(control, UNFINISHED, -1)
                        continue
        if s >= 0:
            what, first_of_crew = task[WHAT], cells[0]["member"] == 0
            beyond = min((s // task[GROUP] + 1) * task[GROUP], task[SHARDS])
            while s < beyond:
                if member == 0 and done == task[AT_A_TIME]:
                    control[LEFT_AT], control[LEFT_TURN] = s, number
                    return False
                done += 1
                if atomic_load(control, GIVEN_UP) > 0:
                    return True
                first = context.bounds[s]
                size = context.bounds[s + 1] - first
                batch, masks = block(context.rows, first, size), block(context.masks, first, size)
                slot = member
                if what >= FORWARD:
                    slot = s
                elif task[CREW] > 1:
                    slot = s // task[GROUP]
                work = context.work[slot]
                spans = context.spans[member if task[CREW] > 1 else slot]
                places = block(context.places, first, size)
                longest = context.sequences[batch[0]]["length"]
                turn = context.turns[member]
                if context.net[0]["state_size"] > 0:
                    shortest = context.sequences[batch[size - 1]]["length"]
                    turns.take(
                        task, context.net[0], number, longest, shortest, turn, context.packed
                    )
                    if first_of_crew:
                        turns.put_aside(context.net[0], work, turn)
                else:
                    turns.take_all(task, longest, turn)
                if what != BACKWARD:
                    shard.forward(
                        context.net, cells, context.packed, context.sequences,
                        context.scaling, batch, masks, work, spans, context.raw, places, turn,
                    )  # fmt: skip
                if turn[LOSES] and first_of_crew:
                    _lose(context, batch, places, turn[BEGIN], turn[END] - turn[BEGIN])
                if turn[BACK]:
                    shard.backward(
                        context.net, cells, context.packed, context.sequences,
                        context.scaling, batch, masks, work, spans, context.d_raw, places, turn,
                        context.gradients[s // task[GROUP]], s % task[GROUP] > 0,
                    )  # fmt: skip
                number += 1
                if turn[LAST]:
                    s, number = s + 1, 0
            atomic_add(control, UNFINISHED, -1)
            idle = 0
            continue
        if member == 0:
            if atomic_load(control, UNFINISHED) == 0:
                return True
        elif atomic_load(control, STOP) > 0:
            return True
        idle += 1
        if member > 0 and idle == PATIENCE:
            atomic_add(control, ASLEEP, 1)
            # Work that came before the caller could see the sleeper would wake nobody.
            if atomic_load(control, TICKETS) > 0 or atomic_load(control, STOP) > 0:
                atomic_add(control, ASLEEP, -1)
                idle = 0
    return False


@kernel
def _lose(context, batch, places, begin, steps):
    """Write the loss of a segment's raw outputs, and its gradient."""
    for r in range(batch.size):
        first, n = 0, 1
        if head.reads_each_step(context.net[0]):
            first, n = begin, min(context.sequences[batch[r]]["length"] - begin, steps)
            if n <= 0:
                break
        here, there = places[r] + first, context.target_places[batch[r]] + first
        losses.lose(
            context.task[LOSS], block(context.parameters, 1, context.parameters.size - 1),
            block(context.raw, here, n), block(context.targets, there, n),
            block(context.sample_weight, there, n), context.parameters[0],
            block(context.values, here, n), block(context.d_raw, here, n),
        )  # fmt: skip


def publish(control, groups, last):
    """Offer a round of groups, or of places in their crews; returns how many workers sleep.

    They must be woken. After the `last` one, workers leave; of none, they do so at once, even from
    the midst of a round that was given up.
    """
    if "publish" not in _RESOLVED:
        _RESOLVED["publish"] = resolved(_publish, control, groups, last)
    return _RESOLVED["publish"](control, groups, last)


@entry
def _publish(control, groups, last):
    if groups > 0:
        # Else a worker may be about to read how many the round has that it is in.
        control[GROUPS] = groups
        control[LEFT_AT] = -1
        for place in range(CREWS, control.size):
            control[place] = 0
        atomic_store(control, UNFINISHED, groups)
    else:
        atomic_store(control, GIVEN_UP, 1)
    atomic_store(control, TICKETS, groups)
    if last:
        atomic_store(control, STOP, 1)
    # A worker that backs out just now takes itself off once more than it was counted.
    asleep = max(0, atomic_load(control, ASLEEP))
    atomic_add(control, ASLEEP, -asleep)
    return asleep
