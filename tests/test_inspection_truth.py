"""Where the answer is known: attributions find the steps and channels, and spans the memory."""

import threading
from _thread import interrupt_main

import numpy as np
import pytest
from conftest import ENDLESS, ignores_convergence

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm.inspection import (
    _blocks,
    gate_activations,
    input_gradients,
    integrated_gradients,
    memory_spans,
    permutation_importance,
)

pytestmark = ignores_convergence
STEPS = 10


def share(attributions, chosen):
    """What of the sizes of attributions is where `chosen` says."""
    sizes = np.abs(attributions)
    return sizes[chosen].sum() / sizes.sum()


@pytest.fixture(name="sums", scope="module")
def sums_of_two_marked_numbers():
    """Numbers, marks of two of them, and a net that adds these (Hochreiter & Schmidhuber 1997)."""
    rng = np.random.RandomState(0)
    marks = np.zeros((4000, STEPS))
    for row in marks:
        row[rng.choice(STEPS, 2, replace=False)] = 1
    X = np.stack([rng.uniform(-1, 1, marks.shape), marks], axis=2)
    y = (X[:, :, 0] * marks).sum(axis=1)
    model = LSTMRegressor(16, learning_rate_init=0.01, max_iter=40, random_state=0, **ENDLESS)
    return X[3000:], y[3000:], model.fit(X[:3000], y[:3000])


def test_of_the_sum_of_two_marked_numbers_these_are_found(sums):
    X, y, model = sums
    assert model.score(X, y) > 0.99
    marked = X[:, :, 1] == 1
    gradients = input_gradients(model, X)[:, :, 0]
    # A marked number counts in full, others not at all.
    assert np.abs(gradients[marked] - 1).mean() < 0.1
    assert np.abs(gradients[~marked]).mean() < 0.1
    # Against sequences with the same marks and no numbers, each number is its own part of the sum.
    baseline = X * [0, 1]
    attributions = integrated_gradients(model, X, baseline=baseline)
    assert np.abs(attributions[:, :, 1]).max() == 0
    assert share(attributions[:, :, 0], marked) > 0.9
    np.testing.assert_allclose(attributions[:, :, 0][marked], X[:, :, 0][marked], atol=0.3)


def test_numbers_and_marks_both_matter_and_all_steps_alike(sums):
    X, y, model = sums
    by_feature = permutation_importance(model, X, y, n_repeats=2, random_state=0)
    assert (by_feature.importances_mean > 0.5).all()
    by_step = permutation_importance(model, X, y, by="timestep", n_repeats=2, random_state=0)
    assert by_step.importances_mean.min() > by_step.importances_mean.max() / 2


@pytest.fixture(name="switch", scope="module")
def label_decided_by_one_channel_at_one_step():
    X = np.random.RandomState(0).normal(size=(4500, STEPS, 3))
    y = np.where(X[:, 3, 2] > 0, "up", "down")
    model = LSTMClassifier(
        16, learning_rate="cosine", learning_rate_init=0.01, max_iter=20, random_state=0
    )
    return X[4000:], y[4000:], model.fit(X[:4000], y[:4000])


def test_of_a_label_decided_at_one_step_step_and_channel_are_found(switch):
    X, y, model = switch
    assert model.score(X, y) > 0.95
    for function in (input_gradients, integrated_gradients):
        sizes = np.abs(function(model, X, output="up")).mean(axis=0)
        assert np.unravel_index(sizes.argmax(), sizes.shape) == (3, 2)
        # No other number has a third of its part.
        assert np.sort(sizes.ravel())[-2] < sizes.max() / 3
    for by, place in (("feature", 2), ("timestep", 3), ("both", 3 * 3 + 2)):
        found = permutation_importance(model, X, y, by=by, n_repeats=2, random_state=0)
        mean = found.importances_mean.ravel()
        assert mean.argmax() == place
        assert np.sort(mean)[-2] < mean.max() / 5


def test_what_speaks_for_one_class_speaks_against_the_other(switch):
    X, _, model = switch
    up, down = (integrated_gradients(model, X, output=label) for label in ("up", "down"))
    np.testing.assert_array_equal(up, -down)
    decisive = up[:, 3, 2]
    large = np.abs(X[:, 3, 2]) > 0.3
    assert (np.sign(decisive) == np.sign(X[:, 3, 2]))[large].mean() > 0.95


def test_a_counter_counts_each_event_alike_and_a_cell_holds_the_count():
    rng = np.random.RandomState(0)
    X = (rng.uniform(size=(1500, 20, 1)) < 0.3).astype(float)
    y = X.cumsum(axis=1)[:, :, 0]
    model = LSTMRegressor(
        8, pooling=None, learning_rate_init=0.02, max_iter=40, random_state=0, **ENDLESS
    ).fit(X, y)
    assert model.score(X, y) > 0.99
    attributions = integrated_gradients(model, X, baseline=[0.0], output=-1)[:, :, 0]
    events = X[:, :, 0] == 1
    assert np.abs(attributions[~events]).max() == 0
    assert abs(attributions[events].mean() - 1) < 0.1
    assert attributions[events].std() < 0.2
    # Nothing that comes later counts.
    early = integrated_gradients(model, X, baseline=[0.0], output=9)[:, :, 0]
    assert np.abs(early[:, 10:]).max() == 0
    (layer,) = gate_activations(model, X)
    follows = [np.corrcoef(cell.ravel(), y.ravel())[0, 1] for cell in np.moveaxis(layer.cell, 2, 0)]
    assert np.abs(follows).max() > 0.9


def first_number(gap):
    """Of noise, the number that came `gap` steps before the end."""
    X = np.random.RandomState(0).normal(size=(2000, gap + 1, 1))
    return X, X[:, 0, 0]


@pytest.mark.parametrize(("forget_bias", "gaps"), [(1.0, (2, 10)), ("chrono", (2, 10, 40))])
def test_spans_grow_with_the_gap_that_the_task_demands(forget_bias, gaps):
    longest = []
    for gap in gaps:
        X, y = first_number(gap)
        model = LSTMRegressor(
            16, forget_bias=forget_bias, learning_rate_init=0.01, max_iter=30, max_grad_norm=1,
            random_state=0, **ENDLESS,
        )  # fmt: skip
        model.fit(X, y)
        assert model.score(X, y) > 0.9
        longest.append(memory_spans(model, X)[0].max())
    assert (np.diff(longest) > 0).all()
    if forget_bias == "chrono":
        # One cell keeps the number; from a start of two steps, cells hand it on.
        assert longest[-1] > 40


def test_before_it_learns_a_chrono_start_remembers_longer():
    X, y = first_number(60)
    spans = {}
    for forget_bias in (1.0, "chrono"):
        model = LSTMRegressor(
            32, forget_bias=forget_bias, learning_rate_init=1e-9, max_iter=1, random_state=0
        )
        spans[forget_bias] = np.median(memory_spans(model.fit(X, y), X)[0])
    # sigmoid(1) keeps a half for two steps; chrono draws from 1 to 60.
    assert spans[1.0] < 3
    assert 10 < spans["chrono"] < 60


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_no_threads(monkeypatch):
    X = np.random.RandomState(0).normal(size=(3000, 50, 2))
    model = LSTMRegressor(32, max_iter=1, random_state=0).fit(X[:200], X[:200, 0, 0])
    monkeypatch.setattr(_blocks, "available_threads", lambda: 3)
    integrated_gradients(model, X[:2])
    before = set(threading.enumerate())
    timer = threading.Timer(0.3, interrupt_main)
    timer.start()
    # Uninterrupted, it takes many seconds.
    with pytest.raises(KeyboardInterrupt):
        integrated_gradients(model, X)
    timer.join()
    assert set(threading.enumerate()) <= before
