"""Series that come step by step: each step costs one step, and not the past."""

import numpy as np

from sklstm._kernels import one_shard, packing, pooling, tasks
from sklstm._kernels.shard import SEQUENCE
from sklstm._kernels.spans import STARTS
from sklstm._machine.compile import resolved
from sklstm._machine.linkage import EVERY_NET, SEGMENTS, UPPER_LAYERS
from sklstm._network.layout import aligned, check_size, compiled_for, make_layout, state_of


class Stream:
    """The state of some series, and a step of all of them.

    Parameters
    ----------
    architecture : Architecture
        Of one direction.
    weights : ndarray of shape (n_weights,)
    scaling : ndarray of shape (2, n_features)
    n_series : int

    Attributes
    ----------
    x : ndarray of shape (n_series, n_features)
        Where the next step is written.
    steps : ndarray of shape (n_series,)
        How many steps each has so far; writable.
    """

    def __init__(self, architecture, weights, scaling, n_series):
        dtype = weights.dtype
        if n_series < 1:
            raise ValueError(f"n_series must be at least 1, got {n_series}.")
        check_size("weights", weights, (architecture.n_weights,))
        check_size("scaling", scaling, (2, architecture.n_features))
        EVERY_NET.link(dtype)
        pooling.link(architecture.pooling, dtype, training=False)
        UPPER_LAYERS.link(dtype)
        SEGMENTS.link(dtype)
        # Two segments: there are places for a state.
        self._layout = make_layout(architecture, dtype, n_series, 1, False, segments=2)
        net, cells = self._layout.net.copy(), self._layout.cells.copy()
        net["stream"] = 1
        packed = aligned((self._layout.packed_size,), dtype)
        packing.pack(net, cells, weights, packed, False)
        self.x = np.zeros((n_series, architecture.n_features), dtype)
        sequences = np.zeros(n_series, SEQUENCE)
        sequences["address"] = self.x.ctypes.data + np.arange(n_series) * self.x.strides[0]
        sequences["feature_stride"], sequences["length"] = self.x.itemsize, 1
        self.steps = sequences["before"]
        self._work = aligned((self._layout.work_size,), dtype)
        self._raw = np.zeros((n_series, architecture.n_outputs), dtype)
        turn = np.zeros(tasks.TURN_SIZE, np.int64)
        turn[[tasks.END, tasks.REVERSE_END, tasks.ANSWERS]] = 1
        self._arguments = (
            net, cells, packed, sequences, compiled_for(scaling), np.arange(n_series),
            np.ones((n_series, 0), dtype), self._work, np.zeros(STARTS + 2, np.int64), turn,
            self._raw, np.arange(n_series), self.x,
        )  # fmt: skip
        self._step = resolved(one_shard.step, *self._arguments)

    def step(self):
        """The raw outputs of all steps, with `x`; None if `x` has NaN or infinity.

        The array is overwritten by the next step.
        """
        return self._raw if self._step(*self._arguments) else None

    @property
    def state(self):
        """What the next step starts from, as views: a `State`."""
        return state_of(self._layout, self._work, len(self.x))
