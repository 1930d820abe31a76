"""verbose: what is printed of each epoch, pass and iteration, as MLPRegressor prints it."""

import re
import warnings

import numpy as np
import pytest
from conftest import ignores_convergence, small_net
from processes import copy_package, run
from sklearn.neural_network import MLPRegressor


def shape_of(text):
    """Lines without the digits of floats, since two different nets print different ones."""
    return re.sub(r"-?\d+\.(\d+)", lambda found: f"#.{'#' * len(found[1])}", text).splitlines()


VERBOSE = {
    "constant": {"solver": "adam"},
    "sgd": {"solver": "sgd"},
    "early stopping": {"early_stopping": True},
    "max_iter": {"max_iter": 2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5},
    "adaptive, with early stopping": {
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5,
        "early_stopping": True,
    },
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def compiled():
    """What a fit compiles it tells too, once: here before the lines are counted."""
    X = np.random.RandomState(0).normal(size=(40, 4))
    for parameters in ({}, {"solver": "sgd"}, {"solver": "lbfgs"}, {"early_stopping": True}):
        with warnings.catch_warnings(action="ignore"):
            small_net(**parameters).fit(X, X[:, 0])


@ignores_convergence
@pytest.mark.parametrize("parameters", VERBOSE.values(), ids=VERBOSE)
def test_verbose_prints_what_mlp_regressor_prints(X, y, capsys, parameters):
    # No epoch but the first improves by so much.
    parameters = {"max_iter": 50, "tol": 10.0, "n_iter_no_change": 2, **parameters}
    small_net(verbose=True, **parameters).fit(X, y)
    ours = capsys.readouterr()
    MLPRegressor(
        hidden_layer_sizes=4, batch_size=16, random_state=0, verbose=True,
        **{"learning_rate_init": 0.01, **parameters},
    ).fit(X, y)  # fmt: skip
    theirs = capsys.readouterr()
    assert shape_of(ours.out) == shape_of(theirs.out)
    assert len(shape_of(ours.out)) >= 2
    assert ours.err == theirs.err == ""


@ignores_convergence
def test_verbose_prints_the_loss_of_each_epoch_and_its_score(X, y, capsys):
    model = small_net(verbose=True, early_stopping=True).fit(X, y)
    expected = []
    for number, (loss, score) in enumerate(
        zip(model.loss_curve_, model.validation_scores_, strict=True), 1
    ):
        expected += [f"Iteration {number}, loss = {loss:.8f}", f"Validation score: {score:f}"]
    assert capsys.readouterr().out.splitlines() == expected


@ignores_convergence
def test_verbose_partial_fit_prints_each_pass(X, y, capsys):
    model = small_net(verbose=True)
    for _ in range(3):
        model.partial_fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0] for line in lines] == [f"Iteration {i}, loss" for i in (1, 2, 3)]


@ignores_convergence
def test_verbose_lbfgs_prints_each_iteration(X, y, capsys):
    model = small_net(solver="lbfgs", verbose=True, max_iter=4).fit(X, y)
    assert capsys.readouterr().out.splitlines() == [
        f"Iteration {number}, loss = {loss:.8f}" for number, loss in enumerate(model.loss_curve_, 1)
    ]


FIT_TWICE = """
import sys, warnings
import numpy as np
from sklstm import LSTMRegressor

warnings.simplefilter("ignore")
X = np.random.RandomState(0).normal(size=(20, 4))
for verbose in (sys.argv[-1] == "told", True):
    LSTMRegressor(2, verbose=verbose, max_iter=1, random_state=0).fit(X, X[:, 0])
"""


@pytest.mark.cold
def test_verbose_says_once_when_kernels_are_compiled(tmp_path):
    package = copy_package(tmp_path)
    first, *rest = run(FIT_TWICE.replace("sys.argv[-1]", "'told'"), package).splitlines()
    assert first.startswith("Compiling kernels")
    assert [line.split(",")[0] for line in rest] == ["Iteration 1", "Iteration 1"]
    # From disk, there is nothing to wait for.
    assert "Compiling" not in run(FIT_TWICE, package)
