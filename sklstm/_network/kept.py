"""Predictions of one net, which keep between calls what does not change from one to the next.

It is kept beside the net and not on the estimator: no file, no copy and no attribute has it, and it
goes when the weights do.
"""

import weakref
from collections import deque
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from sklstm._kernels.shard import SEQUENCE
from sklstm._network.plan import threads_for
from sklstm._network.rounds import Predictor

# Bytes that may be kept of a net, or twice those of its weights.
LEAST_KEPT = 2**16
# By the address of the weights.
_POOLS: dict = {}


def predict(architecture, weights, sequences):
    """The raw outputs of all sequences, as of `Predictor`.

    Parameters
    ----------
    architecture : Architecture
    weights : ndarray of shape (n_weights,)
        At the next call with the same array, it is taken for the same net: nothing may change.
    sequences : Sequences
    """
    n, dtype = len(sequences), sequences.dtype
    pool = pool_of(weights)
    n_threads = threads_for(n * sequences.longest * architecture.multiply_adds)
    size = architecture, n, sequences.longest, dtype, n_threads
    may_keep = sequences.equal_lengths and n * SEQUENCE.itemsize <= pool.most
    kept = pool.take(size) if may_keep else None
    if kept is not None:
        team = kept.team
    elif may_keep:
        # Later calls write theirs in the place of these records.
        own = replace(sequences, records=sequences.records[:].copy())
        team = Predictor(architecture, own, n)
    else:
        team = Predictor(architecture, sequences, n)
    try:
        if kept is None:
            if weights.dtype != dtype or not weights.flags.writeable:
                # Those from a read-only memory map would have kernels compiled anew.
                weights = weights.astype(dtype)
            raw = team.predict(weights, np.arange(n), last=not may_keep)
        else:
            raw = team.predict_others(sequences)
    except BaseException:
        team.leave()
        raise
    team.let_go()
    if not (may_keep and pool.put_back(kept or _Kept(size, team, team.nbytes))):
        team.leave()
    return raw


def pool_of(weights):
    """What is kept of the net that has this very array of weights."""
    place = id(weights)
    pool = _POOLS.get(place)
    if pool is None or pool.weights() is not weights:
        # When they go, before their address can be another's. It is called with the dead reference,
        # which is then what `pop` would return; a function in Python would swallow Ctrl-C.
        forget = partial(_POOLS.pop, place)
        pool = _POOLS[place] = Pool(weakref.ref(weights, forget), weights.nbytes)
    return pool


class Pool:
    """Teams that predict with one net, its weights packed, each for calls of one size.

    Threads share them: a call takes a team out, or makes one.

    Parameters
    ----------
    weights : weakref
    n_bytes : int
        Of the weights.
    """

    def __init__(self, weights, n_bytes):
        self.weights, self.most = weights, max(2 * n_bytes, LEAST_KEPT)
        # From the one that was used longest ago. Each of its methods is one step to other threads.
        self._free: deque[_Kept] = deque()

    @property
    def nbytes(self):
        """The memory that is kept: at most twice that of the weights, or `LEAST_KEPT`."""
        return sum(each.nbytes for each in list(self._free))

    def take(self, size):
        """Take out a team for calls of a size; None if there is none."""
        found, others = None, []
        while found is None and self._free:
            try:
                kept = self._free.pop()
            except IndexError:
                break  # another thread was faster
            if kept.size == size:
                found = kept
            else:
                others.append(kept)
        self._free.extendleft(others)
        return found

    def put_back(self, kept):
        """Keep a team for the next call, in the place of older ones; False if it is too large."""
        if kept.nbytes > self.most:
            return False
        self._free.append(kept)
        while len(self._free) > 1 and self.nbytes > self.most:
            try:
                self._free.popleft()
            except IndexError:
                break
        return True


class _Kept(NamedTuple):
    """A team, and the size of calls that it was made for."""

    size: tuple
    team: Predictor
    nbytes: int
