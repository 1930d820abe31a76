"""Integrated gradients where predictions fall off a cliff between two points of the path."""

import numpy as np
import pytest
from conftest import ignores_convergence
from inspected import STEPS, fitted
from sklearn.preprocessing import FunctionTransformer

from sklstm._network.parameters import architecture_of, named_views
from sklstm.inspection import _adding_up, _smooth, integrated_gradients

pytestmark = [ignores_convergence, pytest.mark.filterwarnings("error:Attributions miss")]
BASELINE = [-0.3, 0.6, -0.15]


def latch(gain, transformers=()):
    """A net of one unit that ends near 1 or -1: at each step it goes on the way that it is on."""
    model = fitted(hidden_layer_sizes=1, normalize_X=False, transformers=transformers)
    net = model[-1] if transformers else model
    views = named_views(architecture_of(net._shape), net._weights)
    cell, recurrent = views["input_weights"][0], views["recurrent_weights"][0]
    cell[:], recurrent[:], views["biases"][0][:] = 0, 0, [20, 0, 0, 20]
    cell[2, :3], recurrent[2] = [1, -2, 0.5], gain
    views["output_weights"][:], views["output_bias"][:] = 1, 0
    return model


def pushes(n=9):
    """Sequences of which the first steps decide."""
    rng = np.random.RandomState(0)
    return 0.3 * rng.normal(size=(n, STEPS, 3)) * np.exp(-3 * np.arange(STEPS))[:, np.newaxis]


def missing(model, X, attributions):
    """Relative to the largest difference."""
    nothing = np.tile(BASELINE, (1, STEPS, 1))
    differences = model.predict(X) - model.predict(nothing)
    off = attributions.sum(axis=(1, 2)) - differences
    assert np.abs(differences).max() > 0.5
    return np.abs(off).max() / np.abs(differences).max()


@pytest.mark.parametrize("gain", [3, 10, 30, 100])
def test_attributions_add_up(gain):
    # The net falls within 1e-3 to 1e-12 of the path.
    model, X = latch(gain), pushes()
    assert missing(model, X, integrated_gradients(model, X, baseline=BASELINE)) < 1e-6


@pytest.mark.parametrize("gain", [3, 10, 30])
def test_attributions_add_up_where_the_cliff_is_at_a_point(gain):
    # In the middle of the path, where the first reading finds a gradient that is far too large.
    model, X = latch(gain), np.abs(pushes()) * [1, -1, 1]
    found = integrated_gradients(model, X, baseline=-X)
    falls = model.predict(X) - model.predict(-X)
    assert (falls > 1).all()
    assert np.abs(found.sum(axis=(1, 2)) - falls).max() < 1e-6 * falls.max()
    # By symmetry, each has had its share of the pushes.
    pushed = X * [1, -2, 0.5] / (gain + 0.5) ** np.arange(STEPS)[:, np.newaxis]
    shares = pushed / pushed.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found / found.sum(axis=(1, 2), keepdims=True), shares, atol=0.05)


@pytest.mark.parametrize("function", [np.sinh, np.cbrt, np.sign])
def test_attributions_add_up_through_transformers(function):
    model, X = latch(30, [FunctionTransformer(function)]), pushes()
    assert missing(model, X, integrated_gradients(model, X, baseline=BASELINE)) < 1e-6


def test_single_ones_are_those_of_many_points(monkeypatch):
    model, X = latch(30), pushes()
    found = integrated_gradients(model, X, baseline=BASELINE)
    # As long as it takes, with no part taken for a cliff.
    monkeypatch.setattr(_smooth, "_STEEP", np.inf)
    monkeypatch.setattr(_adding_up, "MOST", 2000)
    expected = integrated_gradients(model, X, baseline=BASELINE)
    sizes = np.abs(expected).sum(axis=(1, 2), keepdims=True)
    assert (np.abs(found - expected) < 3e-8 * sizes).all()


def test_what_falls_is_said_of_who_pushed():
    """By the derivative at the edge of the cliff: each step's push, by how it has grown since."""
    gain = 30
    model, X = latch(gain), pushes()
    found = integrated_gradients(model, X, baseline=BASELINE)
    pushed = (X - BASELINE) * [1, -2, 0.5]
    # At the edge, a state grows by the forget gate's half and by what the net goes on with.
    grown = pushed / (gain + 0.5) ** np.arange(STEPS)[:, np.newaxis]
    falls = found.sum(axis=(1, 2)) > 1
    assert falls.sum() > 2
    expected = grown[falls] / grown[falls].sum(axis=(1, 2), keepdims=True)
    shares = found[falls] / found[falls].sum(axis=(1, 2), keepdims=True)
    # The rest are the smooth ways to the edge and from it.
    np.testing.assert_allclose(shares, expected, atol=0.05)
