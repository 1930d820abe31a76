"""What docs/reliability.md promises, of estimators as users construct them."""

import contextlib
import io
import re
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._network import plan
from sklstm._network.parameters import Architecture

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
X = np.random.RandomState(0).normal(size=(100, 10))
Y = X[:, -1]
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, Y), (LSTMClassifier, Y > 0)],
    ids=["regressor", "classifier"],
)


def test_what_is_promised_is_tested_where_the_page_says():
    rows = re.findall(r"^\| .*`test_\w+\.py`.* \|$", PAGE, re.MULTILINE)
    assert len(rows) == 21
    for name in re.findall(r"`(test_\w+\.py)`", " ".join(rows)):
        assert "\ndef test_" in (TESTS / name).read_text("utf-8"), name


def test_the_long_hunts_take_the_options_of_the_page(monkeypatch):
    rows = re.findall(r"^\| `python (tests/hunt_\w+\.py)(.*)", PAGE, re.MULTILINE)
    assert {file for file, _ in rows} == {f"tests/{path.name}" for path in TESTS.glob("hunt_*.py")}
    for file, rest in rows:
        monkeypatch.setattr(sys, "argv", [file, "--help"])
        told = io.StringIO()
        with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as end:
            runpy.run_path(str(TESTS.parent / file), run_name="__main__")
        assert end.value.code == 0
        options = {*re.findall(r"--\w+", told.getvalue())}
        assert {"--minutes", *re.findall(r"--\w+", rest)} <= options


class Impatient(io.StringIO):
    """A screen whose reader presses Ctrl-C when the 30th epoch is printed."""

    def write(self, text):
        if "Iteration 30," in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


@pytest.mark.usefixtures("interruptible")
@for_both
def test_ctrl_c_in_a_fit_warns_and_keeps_the_best_weights_so_far(estimator, y):
    model = estimator(verbose=True, random_state=0)
    with (
        contextlib.redirect_stdout(Impatient()),
        pytest.warns(UserWarning, match="interrupted by user"),
    ):
        model.fit(X, y)
    assert len(model.loss_curve_) == model.n_iter_ == 30
    whole = estimator(max_iter=30, random_state=0)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, y)
    assert_same_bits(model.predict(X), whole.predict(X))


@ignores_convergence
@for_both
def test_numpy_that_raises_changes_no_bit_and_no_error_comes(estimator, y):
    model = estimator(random_state=0).fit(X, y)
    with np.errstate(all="raise"):
        raising = estimator(random_state=0).fit(X, y)
        assert_same_bits(raising._weights, model._weights)
        assert_same_bits(raising.predict(X), model.predict(X))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("units", "steps"), [(64, 100), (64, 100_000), (2048, 300), (4096, 1)])
def test_a_thread_does_2000_million_multiply_adds_at_most_before_it_looks_for_signals(
    units, steps, bidirectional
):
    architecture = Architecture(1, (units,), bidirectional, "last", 1)
    for training in (False, True):
        for whole in (False, True):
            chosen = plan.make_plan(
                architecture, np.dtype(np.float32), steps, 1000, training, True, whole
            )
            work = chosen.shard_rows * chosen.steps * architecture.multiply_adds
            # Of none, another thread does the work.
            assert chosen.at_a_time * work <= 2e9
