"""The kernel that threads run together: groups of shards of a minibatch, taken by ticket.

A sleeping thread takes 50 to 150 microseconds to wake, as long as a shard takes to compute. So a
worker stays inside one call, without the GIL, and spins between minibatches; when nothing comes for
a while it returns, and its Python thread blocks. Which thread takes which group does not matter to
the result: every shard has its own place for outputs, every group its own for a gradient.
"""

from sklstm._kernels import losses, shard
from sklstm._machine.compile import entry
from sklstm._machine.memory import atomic_add, atomic_load, atomic_store

# Counters in the control array, each on cache lines of its own.
(
    TICKETS, UNFINISHED, ASLEEP, STOP, GROUPS, GIVEN_UP, LEFT_AT, LEFT_STEP, CONTROL_SIZE
) = range(0, 144, 16)  # fmt: skip
# Places in a task: what is to be done, the loss, the number of shards, how many are a group, the
# steps of a segment, and how many of these the caller does before it returns to look for signals.
WHAT, LOSS, SHARDS, GROUP, SEGMENT, AT_A_TIME, TASK_SIZE = range(7)
# What is to be done with a shard. LEARN is FORWARD, a loss and BACKWARD in one go, so that the tape
# is still in the cache, and there need be no more tapes than threads.
PREDICT, LEARN, FORWARD, BACKWARD = range(4)
# How often an idle thread looks for work before it gives up: about a millisecond.
PATIENCE = 1_000_000


@entry
def run(
    control, task, member, net, cells, packed, sequences, scaling, rows, masks, bounds, work,
    starts, raw, d_raw, gradients, parameters, targets, sample_weight, values,
):  # fmt: skip
    """Do groups until there are no more; member 0 then waits for the others, they for more work.

    Member 0 returns now and then, in the midst of a group too, and goes on where it left.

    Parameters
    ----------
    control : int64 ndarray of shape (CONTROL_SIZE,)
        The counters.
    task : int64 ndarray of shape (TASK_SIZE,)
        What is to be done.
    member : int
        0 is the caller; the others are workers.
    net, cells : ndarrays of shard.NET, of shape (1,), and recurrence.CELL
        The net's layout.
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
    starts : int64 ndarray of shape (slots, longest + 1)
        Scratch.
    raw, d_raw : ndarrays of shape (rows, outputs)
        The raw output, written; its gradient, read, or to LEARN written.
    gradients : ndarray of shape (groups, size)
        The gradient of each group, its shards' added up in their order, written.
    parameters : float64 ndarray of shape (2,)
        To LEARN: the loss's parameter, and what sample weights are multiplied by.
    targets, sample_weight : ndarrays of shape (samples, outputs) and (samples,)
        To LEARN: what each sample should give, and how much it counts.
    values : float64 ndarray of shape (rows, outputs)
        To LEARN: the weighted loss, written.

    Returns
    -------
    finished : bool
        True if all groups are done (member 0), or a worker is told to stop. False if it lost
        patience, or member 0 has done some work: it should be called again, after a pause.
    """
    idle, done = 0, 0
    while idle < PATIENCE:
        s, begin = -1, 0
        if member == 0 and control[LEFT_AT] >= 0:
            s, begin = control[LEFT_AT], control[LEFT_STEP]
            control[LEFT_AT] = -1
        # A ticket above zero proves that all of the round's arguments are in place.
        elif atomic_load(control, TICKETS) > 0:
            ticket = atomic_add(control, TICKETS, -1)
            if ticket > 0:
                # In order: the first shards have the longest sequences.
                s = (control[GROUPS] - ticket) * task[GROUP]
        if s >= 0:
            group = s // task[GROUP]
            first_shard = group * task[GROUP]
            beyond = min(first_shard + task[GROUP], task[SHARDS])
            while s < beyond:
                if member == 0 and done == task[AT_A_TIME]:
                    control[LEFT_AT], control[LEFT_STEP] = s, begin
                    return False
                done += 1
                if atomic_load(control, GIVEN_UP) > 0:
                    return True
                first, last = bounds[s], bounds[s + 1]
                batch = rows[first:last]
                what, batch_masks = task[WHAT], masks[first:last]
                learn = what == LEARN
                slot = s if what >= FORWARD else member
                scratch, step_starts = work[slot], starts[slot]
                longest = sequences[batch[0]]["length"]
                end = min(begin + task[SEGMENT], longest)
                if what != BACKWARD:
                    shard.forward(
                        net, cells, packed, sequences, scaling, batch, batch_masks,
                        scratch, step_starts, raw[first:last], begin, end, what != PREDICT,
                    )  # fmt: skip
                if end < longest:
                    begin = end
                    continue
                if learn:
                    for r in range(first, last):
                        share = raw.dtype.type(parameters[1] * sample_weight[rows[r]])
                        losses.sample_loss(
                            task[LOSS], parameters[0], raw[r], targets[rows[r]], share,
                            values[r], d_raw[r],
                        )  # fmt: skip
                if learn or what == BACKWARD:
                    shard.backward(
                        net, cells, packed, sequences, scaling, batch, batch_masks,
                        scratch, step_starts, d_raw[first:last], 0, longest,
                        gradients[group], s > first_shard,
                    )  # fmt: skip
                s, begin = s + 1, 0
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


@entry
def publish(control, groups, last):
    """Offer a round of groups; returns how many workers are asleep and must be woken.

    After the `last` one, workers leave; of none, they do so at once, even from the midst of a
    round that was given up.
    """
    if groups > 0:
        # Else a worker may be about to read how many the round has that it is in.
        control[GROUPS] = groups
        control[LEFT_AT] = -1
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
