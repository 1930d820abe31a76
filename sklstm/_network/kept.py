"""Predictions of one net, which keep between calls what does not change from one to the next.

It is kept beside the net and not on the estimator: no file, no copy and no attribute has it, and it
goes when the weights do.
"""

import weakref
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sklstm._kernels.shard import SEQUENCE
from sklstm._network.parameters import Architecture
from sklstm._network.plan import threads_for, work_to_predict
from sklstm._network.rounds import Predictor, packed_to_predict

# Bytes that may be kept of a net, or twice those of its weights.
LEAST_KEPT = 2**16
# Kinds of arrays of one size that are known at once.
MOST_KINDS = 4
# By the address of the weights.
_POOLS: dict = {}


def predict(architecture, weights, sequences, kind=None):
    """The raw outputs of all sequences, as of `Predictor`.

    Parameters
    ----------
    architecture : Architecture
    weights : ndarray of shape (n_weights,)
        At the next call with the same array, it is taken for the same net: nothing may change.
    sequences : Sequences
    kind : tuple, default=None
        For `predict_again`: that of the array, of which these are all sequences.
    """
    n, dtype = len(sequences), sequences.dtype
    pool = pool_of(weights)
    work = work_to_predict(architecture, n, sequences.longest)
    size = _Size(architecture, n, sequences.longest, dtype, threads_for(work))
    may_keep = sequences.equal_lengths and n * SEQUENCE.itemsize <= pool.most
    kept = pool.take(size=size) if may_keep else None
    arguments: tuple[Any, ...] = (sequences,)
    if kept is not None:
        ask = kept.team.predict_others
    else:
        # Later calls write theirs in the place of these records.
        own = replace(sequences, records=sequences.records[:].copy()) if may_keep else sequences
        packed = pool.packed(architecture, weights) if weights.dtype == dtype else None
        if packed is None:
            weights = _compiled_for(weights, dtype)
        team = Predictor(architecture, own, n, packed=packed)
        ask, arguments = team.predict, (weights, np.arange(n))
        kept = _Kept(size, work, team, team.nbytes, 0)
    # If there is padding, another of its kind may have less. Answers for each step go by sequences.
    whole = sequences.longest == sequences.n_timesteps and not architecture.reads_each_step
    if kind is not None and whole:
        others = [each for each in kept.kinds if each != kind]
        kept = kept._replace(kinds=(kind, *others[: MOST_KINDS - 1]))
    return _answer(kept, pool if may_keep else None, ask, *arguments)


def predict_again(weights, kind, X):
    """The raw outputs of an array, by what is kept of calls with others of its kind.

    Parameters
    ----------
    weights : ndarray of shape (n_weights,)
    kind : tuple
        All that it depends on how the array is read, but for its numbers.
    X : ndarray
        Of any shape that has the numbers of (n_samples, n_timesteps, n_features) in their order.

    Returns
    -------
    raw : ndarray of shape (n_samples, n_outputs), or None
        None: X has to be read first. Nothing is kept for it, or there is NaN or infinity in it.
    """
    pool = pool_of(weights)
    kept = pool.take(kind=kind)
    if kept is None:
        return None
    if threads_for(kept.work) != kept.size.n_threads:
        pool.put_back_unused(kept)
        return None
    return _answer(kept, pool, kept.team.predict_array, X)


def _answer(kept, pool, ask, *arguments):
    """What a team answers; it is kept in the pool then, if there is one."""
    team = kept.team
    team.renew()
    try:
        # Those who have nothing to wait for leave at once.
        raw = ask(*arguments, last=pool is None or not pool.has_room(kept.whole))
    except BaseException:
        team.leave()
        raise
    team.let_go()
    if pool is None:
        team.leave()
    else:
        pool.put_back(kept)
    return raw


def _compiled_for(weights, dtype):
    """Of another type, or from a read-only memory map, they would have kernels compiled anew."""
    return np.require(weights, dtype, ["C", "W"])


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
    """The packed weights of a net, and teams that predict with them, each for calls of one size.

    Threads share them: a call takes a team out, or makes one.

    Parameters
    ----------
    weights : weakref
    n_bytes : int
        Of the weights.
    """

    def __init__(self, weights, n_bytes):
        self.weights, self.most = weights, max(2 * n_bytes, LEAST_KEPT)
        # The packed weights, once they are; None in there: they are too large.
        self._packed: dict[str, np.ndarray | None] = {}
        self._packed_bytes = 0
        # From the one that was used longest ago. Each of its methods is one step to other threads.
        self._free: deque[_Kept] = deque()

    @property
    def nbytes(self):
        """The memory that is kept: at most twice that of the weights, or `LEAST_KEPT`."""
        return self._packed_bytes + sum(each.nbytes for each in list(self._free))

    def packed(self, architecture, weights):
        """The weights, packed for all teams of their type; None: each packs them for itself."""
        if "all" not in self._packed:
            packed = packed_to_predict(architecture, _compiled_for(weights, weights.dtype))
            # Another thread may have been faster: then all take what it has made.
            packed = self._packed.setdefault("all", packed if packed.nbytes <= self.most else None)
            self._packed_bytes = 0 if packed is None else packed.nbytes
            self._make_room()
        return self._packed["all"]

    def take(self, size=None, kind=None):
        """Take out a team for calls of a size, or of a kind; None if there is none."""
        found, others = None, []
        while found is None and self._free:
            try:
                kept = self._free.pop()
            except IndexError:
                break  # another thread was faster
            if kind in kept.kinds if size is None else kept.size == size:
                found = kept
            else:
                others.append(kept)
        self._free.extend(reversed(others))
        return found

    def has_room(self, nbytes):
        """Whether a team of so many bytes may be kept, if need be in the place of all others."""
        return self._packed_bytes + nbytes <= self.most

    def put_back_unused(self, kept):
        """Keep a team as it was taken out."""
        self._free.append(kept)
        self._make_room()

    def put_back(self, kept):
        """Keep a team that has predicted for the next call, in the place of older ones.

        If it is too large, without the memory that rounds compute in; or not at all.
        """
        nbytes = kept.whole
        if not self.has_room(nbytes):
            nbytes -= kept.team.shrink()
            if not self.has_room(nbytes):
                return
        self._free.append(kept if kept.nbytes == nbytes else kept._replace(nbytes=nbytes))
        # Meanwhile, another thread may have packed the weights.
        if len(self._free) > 1 or not self.has_room(nbytes):
            self._make_room()

    def _make_room(self):
        while self.nbytes > self.most:
            try:
                self._free.popleft()
            except IndexError:
                break


class _Size(NamedTuple):
    """What a team is made for."""

    architecture: Architecture
    n_samples: int
    longest: int
    dtype: np.dtype
    n_threads: int


class _Kept(NamedTuple):
    """A team, the size of its calls, their multiply-adds, and of which kinds of array some were.

    And the bytes of the team, whole and as it is kept.
    """

    size: _Size
    work: int
    team: Predictor
    whole: int
    nbytes: int
    kinds: tuple = ()
