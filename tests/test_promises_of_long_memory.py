"""What docs/user_guide/long_memory.md promises; `test_long_memory.py` has small versions of it."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ignores_convergence

from sklstm import LSTMClassifier, LSTMRegressor

PAGE = (Path(__file__).parents[1] / "docs" / "user_guide" / "long_memory.md").read_text("utf-8")
STEPS = 400
STILL = {"max_iter": 1, "learning_rate_init": 1e-15, "normalize_X": False, "random_state": 0}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def start_of_gates(forget_bias):
    """The values of input and forget gates that read nothing, of a net that has not moved."""
    X = np.random.RandomState(0).normal(size=(4, STEPS, 1))
    model = LSTMRegressor(forget_bias=forget_bias, **STILL).fit(X, X[:, 0, 0])
    return sigmoid(model.biases_[0][:64]), sigmoid(model.biases_[0][64:128])


def test_the_settings_of_the_page_find_what_lies_far_back():
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    model = eval(code, {"LSTMRegressor": LSTMRegressor, "np": np}).set_params(random_state=0)
    # Two steps of a hundred are marked; the sum of their numbers is asked for at the end.
    rng = np.random.default_rng(0)
    numbers, marks = rng.random((2500, 100)), np.zeros((2500, 100))
    for half in (0, 50):
        marks[np.arange(2500), half + rng.integers(0, 50, 2500)] = 1
    X = np.stack([numbers, marks], axis=2).astype(np.float32)
    y = (numbers * marks).sum(axis=1)
    # 0.999 for every one of ten seeds.
    assert model.fit(X[:2000], y[:2000]).score(X[2000:], y[2000:]) > 0.99


@ignores_convergence
@pytest.mark.parametrize(("forget_bias", "says"), [(1, 0.73), (5, 0.993)])
def test_where_the_forget_gate_starts_and_how_far_the_input_gate_is_open(forget_bias, says):
    input_gate, forget_gate = start_of_gates(forget_bias)
    assert set(np.round(forget_gate, 2 if forget_bias == 1 else 3)) == {says}
    np.testing.assert_allclose(input_gate, 0.5)
    if forget_bias == 1:
        assert set(np.round(100 * forget_gate**20, 1)) == {0.2}


@ignores_convergence
def test_chrono_draws_a_length_for_each_cell_up_to_nearly_that_of_the_sequences():
    input_gate, forget_gate = start_of_gates("chrono")
    length = 1 / input_gate - 1
    np.testing.assert_allclose(forget_gate, 1 - 1 / (length + 1))
    assert (length >= 1).all()
    # Of 64 draws.
    assert STEPS / 2 < length.max() < STEPS
    assert length.min() < STEPS / 10


@ignores_convergence
def test_what_lies_farther_back_than_a_chunk_is_not_learned():
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 4, (5000, 60))
    X, y = np.eye(4, dtype=np.float32)[letters], letters[:, 0]
    net = LSTMClassifier(
        32, forget_bias="chrono", learning_rate="cosine", learning_rate_init=0.01, max_iter=10,
        n_iter_no_change=np.inf, random_state=0,
    )  # fmt: skip
    accuracy = {}
    for bptt_steps in (None, 30):
        model = net.set_params(bptt_steps=bptt_steps).fit(X[:4000], y[:4000])
        accuracy[bptt_steps] = model.score(X[4000:], y[4000:])
        (row,) = re.findall(rf"^\| {bptt_steps} \| (\S+)% \|", PAGE, re.MULTILINE)
        # Four standard deviations of the accuracy on 1000 sequences.
        assert abs(accuracy[bptt_steps] - float(row) / 100) < 4 * np.sqrt(0.25 / 1000)
    # Three standard deviations above a guess, and far below.
    assert accuracy[30] < 0.5 < 0.99 < accuracy[None]


def test_chunks_are_counted_back_from_the_last_step():
    assert "Of 101 steps,\n`bptt_steps=50` makes chunks of 1, 50 and 50." in PAGE
    # The second feature is 0, but for the step before the last fifty, which alone moves weights.
    X = np.random.RandomState(0).normal(size=(20, 101, 2))
    X[:, :, 1] = 0
    X[:, 50, 1] = 1

    def weights(bptt_steps, max_iter):
        model = LSTMRegressor(
            4, alpha=0, bptt_steps=bptt_steps, max_iter=max_iter, n_iter_no_change=np.inf,
            normalize_X=False, random_state=0,
        )  # fmt: skip
        return model.fit(X, X[:, -1, 0]).input_weights_[0][:, 1]

    assert np.array_equal(weights(50, 1), weights(50, 5))
    assert not np.array_equal(weights(51, 1), weights(51, 5))
