"""The net's weights: one vector with named views, and how they start."""

import numpy as np
import pytest
from conftest import assert_same_bits
from problems import flat_list
from scipy import stats

from sklstm._network.initial_weights import initial_weights
from sklstm._network.parameters import Architecture, named_views, penalized

ARCHITECTURE = Architecture(3, (6, 5), True, "last", 2)


def test_views_are_the_whole_vector_in_the_conventional_shapes():
    weights = np.zeros(ARCHITECTURE.n_weights)
    views = named_views(ARCHITECTURE, weights)
    inputs_and_units = [(3, 6), (3, 6), (12, 5), (12, 5)]
    assert ARCHITECTURE.cells == inputs_and_units
    assert [a.shape for a in views["input_weights"]] == [(4 * u, n) for n, u in inputs_and_units]
    assert [a.shape for a in views["recurrent_weights"]] == [
        (4 * u, u) for _, u in inputs_and_units
    ]
    assert [a.shape for a in views["biases"]] == [(4 * u,) for _, u in inputs_and_units]
    assert (views["output_weights"].shape, views["output_bias"].shape) == ((2, 10), (2,))
    for view in flat_list(views):
        view += 1
    # each number belongs to exactly one view
    np.testing.assert_array_equal(weights, 1)


def draw(dtype=np.float64, forget_bias=1.0, longest=50, architecture=ARCHITECTURE):
    weights = initial_weights(
        architecture, np.dtype(dtype), forget_bias, longest, np.random.RandomState(0)
    )
    return weights, named_views(architecture, weights)


# Wide enough for statistics of each gate's numbers, in every cell of stacked layers.
WIDE = Architecture(60, (50, 40), True, "last", 30)
# A right distribution gives smaller p-values once in a thousand seeds; the seed is fixed.
UNLIKELY = 1e-3


def gates(matrix):
    """Rows of the gates i, f, g, o."""
    return np.split(matrix, 4)


def assert_uniform(numbers, low, high):
    """In the limits, and as evenly spread as by chance."""
    assert low <= numbers.min()
    assert numbers.max() <= high
    assert stats.kstest(numbers.ravel(), stats.uniform(low, high - low).cdf).pvalue > UNLIKELY


@pytest.mark.parametrize(
    "architecture", [ARCHITECTURE, WIDE, Architecture(1, (200,), False, "last", 1)]
)
def test_initial_recurrent_weights_are_orthogonal_gate_by_gate(architecture):
    for matrix in draw(architecture=architecture)[1]["recurrent_weights"]:
        for gate in gates(matrix):
            np.testing.assert_allclose(gate @ gate.T, np.eye(len(gate)), atol=1e-12)
            np.testing.assert_allclose(gate.T @ gate, np.eye(len(gate)), atol=1e-12)


@pytest.fixture(name="orthogonal", scope="module")
def many_orthogonal_matrices():
    """The recurrent gates of a thousand cells of 5 units."""
    _, views = draw(architecture=Architecture(1, (5,) * 500, True, "last", 1))
    return np.concatenate([np.stack(gates(matrix)) for matrix in views["recurrent_weights"]])


def test_initial_recurrent_weights_are_of_haar_measure_in_each_entry(orthogonal):
    n, units = len(orthogonal), orthogonal.shape[1]
    # An entry of a uniform direction: (q + 1) / 2 is of a beta distribution.
    entry = stats.beta((units - 1) / 2, (units - 1) / 2, loc=-1, scale=2)
    for numbers in orthogonal.reshape(n, -1).T:
        assert stats.kstest(numbers, entry.cdf).pvalue > UNLIKELY
    # 5 standard deviations leave no room for chance.
    np.testing.assert_allclose(orthogonal.mean(axis=0), 0, atol=5 * entry.std() / np.sqrt(n))
    of_squares = np.sqrt(entry.moment(4) - entry.moment(2) ** 2)
    np.testing.assert_allclose(
        np.square(orthogonal).mean(axis=0), 1 / units, atol=5 * of_squares / np.sqrt(n)
    )


def test_initial_recurrent_weights_are_of_haar_measure_as_matrices(orthogonal):
    # What a QR decomposition without signs of its own gets wrong: its diagonals are not symmetric.
    n = len(orthogonal)
    diagonal = np.diagonal(orthogonal, axis1=1, axis2=2)
    half = {"atol": 5 * 0.5 / np.sqrt(n)}
    np.testing.assert_allclose((diagonal > 0).mean(axis=0), 0.5, **half)
    np.testing.assert_allclose((np.linalg.det(orthogonal) > 0).mean(), 0.5, **half)
    # The trace has the first moments of a standard normal number (Diaconis & Shahshahani 1994).
    trace = diagonal.sum(axis=1)
    for power, moment, of_square in ((1, 0, 1), (2, 1, 3)):
        deviation = np.sqrt(of_square - moment**2)
        np.testing.assert_allclose(np.mean(trace**power), moment, atol=5 * deviation / np.sqrt(n))
    # Gates and cells are drawn one independently of the other: their product is uniform too.
    between = (orthogonal[:-1] * orthogonal[1:]).sum(axis=(1, 2))
    np.testing.assert_allclose(between.mean(), 0, atol=5 / np.sqrt(n))
    np.testing.assert_allclose(np.square(between).mean(), 1, atol=5 * np.sqrt(2) / np.sqrt(n))


def test_initial_input_and_output_weights_are_uniform_in_the_limits_of_glorot():
    _, views = draw(architecture=WIDE)
    # Each gate is a matrix of its own.
    matrices = [gate for matrix in views["input_weights"] for gate in gates(matrix)]
    matrices.append(views["output_weights"])
    shapes = [(50, 60)] * 8 + [(40, 100)] * 8 + [(30, 80)]
    for matrix, (fan_out, fan_in) in zip(matrices, shapes, strict=True):
        assert matrix.shape == (fan_out, fan_in)
        limit = np.sqrt(6 / (fan_in + fan_out))
        assert_uniform(matrix, -limit, limit)
        assert np.abs(matrix).max() > 0.99 * limit
        # The variance of Glorot & Bengio; 2400 uniform numbers or more have it to 2 %.
        np.testing.assert_allclose(matrix.var(), 2 / (fan_in + fan_out), rtol=0.08)


@pytest.mark.parametrize("forget_bias", [1.0, -0.5, 3])
def test_initial_biases_are_zero_but_for_the_forget_gate(forget_bias):
    _, views = draw(forget_bias=forget_bias)
    for bias in views["biases"]:
        i, f, g, o = gates(bias)
        np.testing.assert_array_equal(f, forget_bias)
        np.testing.assert_array_equal([i, g, o], 0)
    np.testing.assert_array_equal(views["output_bias"], 0)


@pytest.mark.parametrize("longest", [3, 50, 1000])
def test_chrono_spreads_memory_evenly_up_to_the_longest_sequence(longest):
    architecture = Architecture(1, (500, 400), True, "last", 1)
    _, views = draw(forget_bias="chrono", longest=longest, architecture=architecture)
    assert [len(bias) for bias in views["biases"]] == [2000, 2000, 1600, 1600]
    for bias in views["biases"]:
        i, f, g, o = gates(bias)
        # exp(log(x)) is x but for rounding.
        assert_uniform(np.exp(f), 1 - 1e-12, (longest - 1) * (1 + 1e-12))
        np.testing.assert_array_equal(i, -f)
        np.testing.assert_array_equal([g, o], 0)
    np.testing.assert_array_equal(views["output_bias"], 0)


@pytest.mark.parametrize("longest", [1, 2])
def test_chrono_of_the_shortest_sequences_is_finite(longest):
    assert np.isfinite(draw(forget_bias="chrono", longest=longest)[0]).all()


def test_initial_weights_are_the_same_in_both_dtypes():
    weights, _ = draw(np.float32)
    assert_same_bits(weights, draw(np.float64)[0].astype(np.float32))


def test_penalized_are_all_weights_and_no_bias():
    mask = penalized(ARCHITECTURE, np.float32)
    assert mask.dtype == np.float32
    views = named_views(ARCHITECTURE, mask)
    for name, view in views.items():
        for array in view if isinstance(view, list) else [view]:
            np.testing.assert_array_equal(array, 0 if "bias" in name else 1)
