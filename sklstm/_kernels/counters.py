"""Counters that the threads of a round share: where each is, in one array.

Each is on cache lines of its own: two are, as the processor fetches them in pairs.
"""

(
    TICKETS, UNFINISHED, ASLEEP, STOP, GROUPS, GIVEN_UP, LEFT_AT, LEFT_TURN, CREWS
) = range(0, 144, 16)  # fmt: skip
# From CREWS on, those of each group's crew: how many have joined it, how many it has, and how often
# its members have arrived where they wait for one another.
JOINED, MEMBERS, ARRIVED, CREW_SIZE = range(0, 64, 16)
