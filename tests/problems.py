"""Nets with sequences and a gradient: run by the kernels, by the twin and by PyTorch."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import reference

from sklstm._kernels.shard import SEQUENCE
from sklstm._network import gradients, plan, rounds, team
from sklstm._network.initial_weights import initial_weights
from sklstm._network.layout import aligned
from sklstm._network.parameters import Architecture, named_views
from sklstm._network.rounds import Predictor, TwoWay
from sklstm._scaling import no_scaling

N_TIMESTEPS = 4
DTYPES = (np.float32, np.float64)
# What was agreed. Errors are relative to the largest number of an array: the others may be sums
# that cancel.
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
DEPTHS, DIRECTIONS, POOLINGS = (1, 2, 3), (False, True), ("last", "mean", "max", None)
BATCHES, UNITS, INPUTS = (1, 7, 33), (1, 5, 16, 37, 128), (1, 6)
OUTPUTS, LENGTHS = (1, 3, 17), ("equal", "ragged", "single")

for_each_dtype = pytest.mark.parametrize("dtype", DTYPES)


@dataclasses.dataclass
class Problem:
    """A net, sequences, and the gradient of some loss on its raw outputs."""

    architecture: Architecture
    weights: np.ndarray
    X: np.ndarray
    lengths: np.ndarray
    d_raw: np.ndarray

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def sequences(self):
        """As `Sequences`: where each one is in memory."""
        records = np.zeros(len(self.X), SEQUENCE)
        start = self.X.__array_interface__["data"][0]
        records["address"] = start + np.arange(len(self.X)) * self.X.strides[0]
        records["step_stride"], records["feature_stride"] = self.X.strides[1:]
        records["length"] = self.lengths
        return SimpleNamespace(
            records=records,
            dtype=self.dtype,
            scaling=no_scaling(self.X.shape[2]),
            longest=max(self.lengths),
            equal_lengths=len(set(self.lengths)) == 1,
        )

    @property
    def rows(self):
        return np.arange(len(self.X))

    @property
    def exists(self):
        """Whether each sequence has each step."""
        return np.arange(self.X.shape[1]) < np.asarray(self.lengths)[:, np.newaxis]

    def by_step(self, raw, rows):
        """Raw outputs, if they are of steps, as (rows, steps, outputs); NaN where there is none."""
        if self.architecture.pooling is not None:
            return raw
        padded = np.full((*self.exists[rows].shape, raw.shape[1]), np.nan, raw.dtype)
        padded[self.exists[rows]] = raw
        return padded

    def in_a_row(self, d_raw, rows):
        """The other way round."""
        return d_raw if self.architecture.pooling is not None else d_raw[self.exists[rows]]


def make_problem(
    dtype=np.float64, units=(5,), bidirectional=False, pooling="last", batch=7, inputs=3, outputs=1,
    lengths="equal", steps=N_TIMESTEPS, seed=0,
):  # fmt: skip
    """Random numbers for everything; what lies past a sequence's end is NaN."""
    architecture = Architecture(inputs, units, bidirectional, pooling, outputs)
    rng = np.random.RandomState(seed)
    weights = initial_weights(architecture, dtype, 1.0, steps, rng)
    weights += 0.1 * rng.normal(size=weights.shape).astype(dtype)
    X = rng.normal(size=(batch, steps, inputs)).astype(dtype)
    n_steps = {
        "equal": np.full(batch, steps),
        "single": np.ones(batch, int),
        "ragged": rng.permutation(np.arange(batch) % steps + 1),
    }[lengths]
    X[np.arange(steps) >= n_steps[:, np.newaxis]] = np.nan
    shape = (batch, outputs) if pooling is not None else (batch, steps, outputs)
    d_raw = rng.normal(size=shape).astype(dtype)
    return Problem(architecture, weights, X, n_steps, d_raw)


def train_once(problem, rows=None, bptt_steps=None):
    """The raw outputs and the gradient of one round."""
    rows = problem.rows if rows is None else rows
    net = problem.architecture, problem.sequences, len(rows)
    with TwoWay(*net, bptt_steps=bptt_steps) as team:
        raw = team.forward(problem.weights, rows)
        gradient = team.backward(problem.in_a_row(problem.d_raw[rows], rows))
        return problem.by_step(raw, rows), gradient


def poison_scratch(monkeypatch):
    """Let workspaces and gradients start as NaN; the padding of packed weights must be zero."""

    def poisoned(shape, dtype, part=None):
        array = aligned(shape, dtype, part)
        is_packed = len(shape) == 1 and part is None
        if not is_packed:
            array[...] = np.nan
        return array

    for module in (rounds, team, gradients):
        monkeypatch.setattr(module, "aligned", poisoned)


def predict(problem, rows=None):
    rows = problem.rows if rows is None else rows
    with Predictor(problem.architecture, problem.sequences, len(rows)) as team:
        return problem.by_step(team.predict(problem.weights, rows), rows)


def reference_round(problem, input_masks=None, recurrent_masks=None, bptt_steps=None):
    """As `train_once`, by the twin, in float64."""
    raw, trace = forward_by_twin(problem, input_masks, recurrent_masks)
    return raw, reference.backward(trace, problem.d_raw.astype(np.float64), bptt_steps)


def forward_by_twin(problem, input_masks=None, recurrent_masks=None):
    """The raw outputs, and what the twin needs to go back, in float64."""
    return reference.forward(
        problem.X.astype(np.float64),
        named_views(problem.architecture, problem.weights.astype(np.float64)),
        bidirectional=problem.architecture.bidirectional,
        pooling=problem.architecture.pooling,
        lengths=problem.lengths,
        input_masks=input_masks,
        recurrent_masks=recurrent_masks,
    )


def assert_close(actual, expected, tolerance):
    """Errors relative to the largest number."""
    error = np.abs(actual - expected).max()
    assert error <= tolerance * np.abs(expected).max()


def assert_agrees(problem, actual, expected):
    """The raw outputs, and every gradient."""
    (raw, gradient), (expected_raw, expected_gradient) = actual, expected
    assert (raw.dtype, gradient.dtype) == (problem.dtype, problem.dtype)
    tolerance = TOLERANCE[problem.dtype.type]
    assert raw.shape == expected_raw.shape
    if problem.architecture.pooling is None:
        raw, expected_raw = raw[problem.exists], expected_raw[problem.exists]
    assert_close(raw, expected_raw, tolerance)
    gradient = named_views(problem.architecture, gradient)
    assert gradient.keys() == expected_gradient.keys()
    for one, other in zip(flat_list(gradient), flat_list(expected_gradient), strict=True):
        assert_close(one, other, tolerance)


def flat_list(views):
    """All arrays of named views."""
    lists = (view if isinstance(view, list) else [view] for view in views.values())
    return list(itertools.chain(*lists))


def torch_net(problem, X=None):
    """The raw outputs of torch.nn.LSTM with the same weights, and its parameters by our names."""
    torch = pytest.importorskip("torch")
    # more threads than cores would wait for each other
    torch.set_num_threads(1)
    architecture = problem.architecture
    X = torch.from_numpy(problem.X) if X is None else X
    units, depth = architecture.units[0], len(architecture.units)
    weights = named_views(architecture, problem.weights)
    lstm = torch.nn.LSTM(
        architecture.n_features, units, depth, batch_first=True, dtype=X.dtype,
        bidirectional=architecture.bidirectional,
    )  # fmt: skip
    head = torch.nn.Linear(architecture.head_inputs, architecture.n_outputs, dtype=X.dtype)
    # PyTorch has two biases where one would do.
    names = "input_weights", "recurrent_weights", "biases"
    parameters = {
        name: [of_cell[place] for of_cell in lstm.all_weights] for place, name in enumerate(names)
    }
    parameters |= {"output_weights": head.weight, "output_bias": head.bias}
    with torch.no_grad():
        for of_cell in lstm.all_weights:
            of_cell[3].zero_()
        for name, values in weights.items():
            if isinstance(values, list):
                for parameter, value in zip(parameters[name], values, strict=True):
                    parameter.copy_(torch.from_numpy(value))
            else:
                parameters[name].copy_(torch.from_numpy(values))
    hidden, _ = lstm(X)
    if architecture.pooling == "mean":
        pooled = hidden.mean(axis=1)
    elif architecture.pooling == "max":
        pooled = hidden.max(axis=1).values
    elif architecture.pooling is None:
        pooled = hidden
    else:
        pooled = torch.cat([hidden[:, -1, :units], hidden[:, 0, units:]], axis=1)
    return head(pooled), parameters


def torch_gradient(parameters):
    """The gradients of a dictionary of parameters."""
    return {
        name: [p.grad.numpy() for p in parameter]
        if isinstance(parameter, list)
        else parameter.grad.numpy()
        for name, parameter in parameters.items()
    }


def use_threads(monkeypatch, n_threads):
    """Let rounds of any size, and passes over few weights, run in so many threads."""
    monkeypatch.setattr(plan, "available_threads", lambda: n_threads)
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(plan, "WORTH_SHARING", 0)
    # A few rows are one shard, for crews, which `use_crews` has share the smallest nets too.
    monkeypatch.setattr(plan, "LEAST_OF_TWO", 2**40)


def use_crews(monkeypatch, n_threads):
    """Let so many threads share each shard, of any net; they wait until all have come."""
    use_threads(monkeypatch, n_threads)
    for name, value in {
        "WORTH_A_SHARE": 1, "WORTH_A_CREW": 0, "WORTH_A_CREW_ALONE": 0, "WORTH_A_LOOK": 1e-9,
        "MOST_PATIENCE": 2**40, "WORTH_WAKING": 0,
        "most_shares": lambda architecture, dtype: n_threads,
    }.items():  # fmt: skip
        monkeypatch.setattr(plan, name, value)


def use_short_segments(monkeypatch):
    """Cut sequences into segments of three steps."""
    for name, value in {"HUGE_TAPE": 0, "SEGMENT_BYTES": 0, "LEAST_STEPS": 3}.items():
        monkeypatch.setattr(plan, name, value)


def use_groups(monkeypatch):
    """Let several shards be a group, as those of large minibatches are."""
    monkeypatch.setattr(plan, "MOST_GROUPS", 4)


def mixed_problem(dtype, batch=100):
    """All that a net may have, and enough rows for several shards."""
    return make_problem(dtype, (37, 16), True, "mean", batch, outputs=3, lengths="ragged", steps=6)


def numerical_gradient(function, x, step=1e-6):
    """Central differences of a number on every element of x, which is changed and put back.

    With this step they are right to about 1e-10.
    """
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + step
        above = function()
        x[index] = kept - step
        below = function()
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient
