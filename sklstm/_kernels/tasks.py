"""What a round is told to do: one array of int64, made once, of which little changes."""

# Places in a task: what is to be done, the loss, the number of shards, how many are a group, the
# steps of a segment, how many of these the caller does before it returns to look for signals, how
# many threads a crew may have, how often the first of them looks for the others, how many of the
# last steps of a sequence a gradient comes to (0: to all), whether none leaves a segment, and the
# address of the weights that are to be packed.
(
    WHAT, LOSS, SHARDS, GROUP, SEGMENT, AT_A_TIME, CREW, PATIENT, REACH, CHUNKS, WEIGHTS, TASK_SIZE
) = range(12)  # fmt: skip
# What is to be done with a shard. LEARN is FORWARD, a loss and BACKWARD in one go, so that the tape
# is still in the cache, and there need be no more tapes than threads.
# What is to be done with all weights: see ``passes``.
PREDICT, LEARN, FORWARD, BACKWARD, PACK, ADD_UP = range(6)

# What a shard does in a turn: from where to where the first direction reads, and the second (to
# nowhere if it does not); where the states that they start from are put aside (-1: nowhere), and
# whether they are put back instead; whether what is read is kept on a tape, whether the pooling and
# the head take it in, whether a loss follows, and the way back; whether no gradient leaves the
# segment; and whether it is the shard's last turn. Turns of two threads are on lines of their own.
(
    BEGIN, END, REVERSE_BEGIN, REVERSE_END, PLACE, REVERSE_PLACE, AGAIN, REVERSE_AGAIN,
    TAPE, ANSWERS, LOSES, BACK, ALONE, LAST
) = range(14)  # fmt: skip
TURN_SIZE = 16
