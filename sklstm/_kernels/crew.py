"""Threads that share a shard: each computes some units of every cell, for all of its rows.

Where rows are few, there is no other way to share work: a *crew* goes through a shard together,
every thread the same steps. Of each cell a thread has a range of units, of all four gates: their
products, states, and gradients. It needs the hidden states of all, and on the way back the
gradients of all gates; so after each step they wait for one another, spinning. Every number is
computed as it is by one thread alone, so that bits do not depend on how many there are.

What a thread's share is, its own copy of the cells says. Whatever is no cell's is done by the
first of a crew, or in parts.
"""

from sklstm._kernels.cell import CELL_TYPE
from sklstm._kernels.counters import ARRIVED, CREW_SIZE, CREWS, GIVEN_UP, JOINED, MEMBERS
from sklstm._kernels.products import GATES
from sklstm._machine.compile import kernel
from sklstm._machine.linkage import INDEX, INDICES, SHARED, linked, vector_type
from sklstm._machine.memory import (
    arrive,
    arrived,
    atomic_add,
    atomic_load,
    atomic_store,
    let_others_run,
)
from sklstm._machine.processor import LINE_BYTES

# What joins a crew after this number is too late.
CLOSED = 1 << 32
# How often a thread looks whether the others have come before it lets others run on its processor:
# more than a step takes. They will be long if they are not running.
SPINS = 20_000


@linked(INDICES, INDEX, INDEX, INDEX, CELL_TYPE[::1], vector_type, links=SHARED)
def join(control, group, most, patience, cells, like):
    """Join the crew of a group: take a share of each cell, of numbers of the type of `like`.

    The first waits a little for others, and closes it. Who comes later has no place, but -1.
    """
    place = CREWS + group * CREW_SIZE
    cells[0]["member"] = -1
    member = atomic_add(control, place + JOINED, 1)
    if member >= CLOSED:
        return
    spins = 0
    if member == 0:
        while atomic_load(control, place + JOINED) < most and spins < patience:
            spins += 1
        atomic_store(control, place + MEMBERS, atomic_add(control, place + JOINED, CLOSED))
    while atomic_load(control, place + MEMBERS) == 0:
        spins += 1
        if spins > SPINS:
            if atomic_load(control, GIVEN_UP) > 0:
                return
            let_others_run()
    members = atomic_load(control, place + MEMBERS)
    counter = control.ctypes.data + control.itemsize * (place + ARRIVED)
    share(cells, LINE_BYTES // like.itemsize, member, members, counter)


@kernel
def share(cells, line, member, members, counter):
    """Write the share of a member into its copy of the cells.

    Of two directions, each half of an even number of threads takes one. Shares are as nearly equal
    as whole cache lines allow, of so many numbers, so that threads do not write to the same (where
    rows are whole lines); the last member has the rest.
    """
    # The second cell of two directions reads backwards.
    apart = cells[min(1, cells.size - 1)]["reverse"] and members % 2 == 0
    mine, among = (member // 2, members // 2) if apart else (member, members)
    for index in range(cells.size):
        cell = cells[index]
        cell["member"], cell["members"], cell["crew"] = member, members, counter
        cell["begin"] = _boundary(cell, line, mine, among)
        cell["end"] = _boundary(cell, line, mine + 1, among)
        cell["mine"] = not apart or index % 2 == member % 2
        if not cell["mine"]:
            cell["begin"] = cell["end"] = 0


@kernel
def _boundary(cell, line, place, among):
    """Where the share begins that so many are before, by the columns of the gates."""
    if place == among:
        return cell["width"]
    columns = GATES * cell["full"] + cell["rest_width"]
    nearest = (columns * place + GATES // 2 * line * among) // (GATES * line * among)
    return line * min(nearest, cell["full"] // line)


@kernel
def wait(cell, like):
    """Wait until all of the crew are here, or the round was given up meanwhile."""
    if cell["members"] > 1:
        _wait_for_others(cell, like)


# By the type of numbers as all that is linked, though it touches none.
@linked(CELL_TYPE, vector_type, links=SHARED)
def _wait_for_others(cell, like):
    members = cell["members"]
    n = arrive(cell["crew"])
    wanted = -(-n // members) * members
    spins = 0
    while arrived(cell["crew"]) < wanted:
        spins += 1
        if spins > SPINS:
            if cell["given_up"]:
                return
            let_others_run()


@kernel
def wait_for_longer(cell, like, steps):
    """Wait as often as those do whose direction has so many steps more."""
    for _ in range(steps):
        if cell["given_up"]:
            return
        wait(cell, like)


@kernel
def part(cell, n):
    """From where to where a thread does what is no cell's, of n things that lie in a row.

    They are neighbours: two threads that wrote to one line of the cache would wait for each other.
    """
    members = max(1, cell["members"])
    return n * cell["member"] // members, n * (cell["member"] + 1) // members


@kernel
def is_whole(cell):
    """Whether a thread has all units of a cell."""
    return cell["begin"] == 0 and cell["end"] == cell["width"]
