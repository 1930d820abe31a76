"""scikit-learn's callbacks: told of each epoch, able to stop a fit, absent before version 1.9."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklstm

callback = pytest.importorskip("sklearn.callback")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
for_each_solver = pytest.mark.parametrize("solver", ["adam", "lbfgs"])


class Recorder:
    """Takes note of every call; may ask to stop after some epochs."""

    def __init__(self, stop_after=None, error=None):
        self.calls, self.losses, self.predictions = [], [], []
        self.stop_after, self.error = stop_after, error

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.calls.append(f"begin {context.task_name}")
        self.data = X, y

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.losses.append(fitted_estimator.loss_curve_[-1])
            self.predictions.append(fitted_estimator.predict(X))
            if self.error is not None:
                raise self.error
            return len(self.losses) == self.stop_after
        return False


class Keeper(Recorder):
    """Keeps the model of each epoch, and trains it on."""

    def __init__(self, trains):
        super().__init__()
        self.models, self.trains = [], trains

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        if context.task_name == "epoch":
            self.models.append(fitted_estimator)
            self.predictions.append(fitted_estimator.predict(X))
            if self.trains:
                further = fitted_estimator.set_params(warm_start=True, max_iter=2)
                further.set_callbacks().fit(*self.data)
        return False


# --- What callbacks are told ----------------------------------------------------------------


@for_each_solver
def test_a_callback_is_told_of_the_fit_and_of_each_epoch(X, y, solver):
    recorder = Recorder()
    model = small_net(solver=solver, max_iter=3).set_callbacks(recorder).fit(X, y)
    epochs = ["begin epoch", "end epoch"] * 3
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.data[0] is X
    assert recorder.data[1] is y
    assert_same_bits(recorder.losses, model.loss_curve_)


@for_each_solver
def test_a_callback_gets_the_model_of_that_epoch(X, y, solver):
    recorder = Recorder()
    y = 100 + 20 * y
    small_net(solver=solver, shuffle=False, max_iter=4).set_callbacks(recorder).fit(X, y)
    for epochs, prediction in enumerate(recorder.predictions, 1):
        stopped = small_net(solver=solver, shuffle=False, max_iter=epochs).fit(X, y)
        np.testing.assert_allclose(prediction, stopped.predict(X), rtol=1e-9)


@for_each_solver
def test_a_model_that_a_callback_keeps_does_not_change_any_more(X, y, solver):
    keeper = Keeper(trains=False)
    small_net(solver=solver, max_iter=5).set_callbacks(keeper).fit(X, y)
    assert len(keeper.models) == 5
    for model, prediction in zip(keeper.models, keeper.predictions, strict=True):
        assert_same_bits(model.predict(X), prediction)
    assert [len(model.loss_curve_) for model in keeper.models] == [1, 2, 3, 4, 5]


@for_each_solver
def test_training_the_model_of_an_epoch_does_not_change_the_fit(X, y, solver):
    alone = small_net(solver=solver, max_iter=4).fit(X, y)
    watched = small_net(solver=solver, max_iter=4).set_callbacks(Keeper(trains=True)).fit(X, y)
    assert_same_bits(weights(watched), weights(alone))
    assert_same_bits(watched.loss_curve_, alone.loss_curve_)
    assert_same_bits(watched._memory, alone._memory)


@for_each_solver
def test_callbacks_do_not_change_the_fit(X, y, solver):
    watched = small_net(solver=solver, early_stopping=True).set_callbacks(Recorder()).fit(X, y)
    alone = small_net(solver=solver, early_stopping=True).fit(X, y)
    state = {k: v for k, v in vars(watched).items() if k != "_skl_callbacks"}
    assert_same_bits(state, vars(alone))


def test_partial_fit_tells_callbacks_of_its_pass(X, y):
    recorder = Recorder()
    model = small_net().set_callbacks(recorder)
    model.partial_fit(X, y).partial_fit(X, y)
    once = ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"]
    assert recorder.calls == 2 * once


def test_several_callbacks_are_all_told(X, y):
    recorders = [Recorder(), Recorder()]
    small_net().set_callbacks(*recorders).fit(X, y)
    assert recorders[0].calls == recorders[1].calls
    assert len(recorders[0].losses) == 3


def test_without_callbacks_nothing_is_called(X, y, monkeypatch):
    recorder = Recorder()
    model = small_net().set_callbacks(recorder)
    clone(model).set_callbacks().fit(X, y)
    small_net().fit(X, y)
    assert recorder.calls == []
    # Not even the model of an epoch is put together: that copies all weights.
    records, record = [], sklstm._base.fitted_state

    def counting_record(fit, progress):
        records.append(fit)
        return record(fit, progress)

    monkeypatch.setattr(sklstm._base, "fitted_state", counting_record)
    small_net(max_iter=5).fit(X, y)
    assert len(records) == 1


def test_tasks_are_made_for_callbacks_alone_and_for_those_of_who_fits_the_net(X, y):
    recorder = Recorder()
    search = GridSearchCV(small_net(max_iter=3), {"alpha": [0]}, cv=KFold(2), refit=False)
    contexts, make = [], sklstm.LSTMRegressor._init_callback_context

    def counting_make(net, **parameters):
        contexts.append(net)
        return make(net, **parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklstm.LSTMRegressor, "_init_callback_context", counting_make)
        small_net(max_iter=3).fit(X, y)
        assert contexts == []
        search.set_callbacks(recorder).fit(X, y)
    assert len(contexts) == 2
    assert "begin fit" in recorder.calls


# --- Stopping, and the end ------------------------------------------------------------------


@for_each_solver
def test_a_callback_can_stop_the_fit(X, y, solver, recwarn):
    recorder = Recorder(stop_after=2)
    model = small_net(solver=solver, shuffle=False, max_iter=50).set_callbacks(recorder)
    model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == 2
    assert recorder.calls[-2:] == ["end fit", "teardown"]
    # It was asked for: nothing to warn of.
    assert not recwarn.list
    stopped = small_net(solver=solver, shuffle=False, max_iter=2).fit(X, y)
    np.testing.assert_allclose(weights(model), weights(stopped), rtol=1e-12)


def test_a_callback_can_stop_lbfgs_that_has_converged_at_once(X, y):
    recorder = Recorder(stop_after=1)
    model = small_net(solver="lbfgs", tol=1e6).set_callbacks(recorder).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert recorder.calls[-1] == "teardown"


def test_a_fit_that_a_callback_stops_keeps_the_best_validated_weights(X, y):
    y = np.random.RandomState(2).normal(size=len(X))
    settings = {"learning_rate_init": 0.05, "n_iter_no_change": 100, "early_stopping": True}
    model = small_net(max_iter=100, **settings).set_callbacks(Recorder(stop_after=30)).fit(X, y)
    best = int(np.argmax(model.validation_scores_)) + 1
    assert best < model.n_iter_ == 30
    assert_same_bits(weights(model), weights(small_net(max_iter=best, **settings).fit(X, y)))


# What ends an iteration of Python's must not pass for what ends one of scipy's.
@pytest.mark.parametrize("kind", [RuntimeError, StopIteration])
@for_each_solver
def test_teardown_runs_when_the_fit_fails(X, y, solver, kind):
    recorder = Recorder(error=kind("from a callback"))
    model = small_net(solver=solver).set_callbacks(recorder)
    before = dict(vars(model))
    with pytest.raises(kind, match="from a callback"):
        model.fit(X, y)
    assert recorder.calls[-1] == "teardown"
    assert_same_bits(vars(model).keys(), before.keys())


def test_teardown_runs_after_a_keyboard_interrupt(X, y):
    recorder = Recorder(error=KeyboardInterrupt())
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        small_net().set_callbacks(recorder).fit(X, y)
    assert recorder.calls[-2:] == ["end fit", "teardown"]


def test_data_that_are_refused_reach_no_callback(X, y):
    recorder = Recorder()
    with pytest.raises(ValueError, match="inconsistent"):
        small_net().set_callbacks(recorder).fit(X, y[:-1])
    assert recorder.calls in ([], ["setup", "teardown"])


# --- scikit-learn's own ---------------------------------------------------------------------


@for_each_solver
def test_scoring_monitor_records_each_epoch(X, y, solver):
    monitor = callback.ScoringMonitor(scoring="r2")
    small_net(solver=solver, shuffle=False, max_iter=4).set_callbacks(monitor).fit(X, y)
    rows = monitor.get_logs().data
    epochs = [row for row in rows if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in epochs] == [0, 1, 2, 3]
    for number, row in enumerate(epochs, 1):
        stopped = small_net(solver=solver, shuffle=False, max_iter=number).fit(X, y)
        np.testing.assert_allclose(row["r2"], stopped.score(X, y), rtol=1e-9)


def test_scoring_monitor_weights_as_the_fit_does(X, y):
    weight = np.arange(len(y)) % 3
    monitor = callback.ScoringMonitor(scoring="neg_mean_absolute_error")
    model = small_net(max_iter=2).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    expected = -np.average(np.abs(y - model.predict(X)), weights=weight)
    [row] = [row for row in monitor.get_logs().data if row["task_id_path"] == (0, 1)]
    np.testing.assert_allclose(row["neg_mean_absolute_error"], expected, rtol=1e-9)


def test_scoring_monitor_records_each_epoch_inside_grid_search(X, y):
    monitor = callback.ScoringMonitor(scoring="r2")
    net = small_net(max_iter=3).set_callbacks(monitor)
    GridSearchCV(net, {"alpha": [0, 1]}, cv=KFold(2)).fit(X, y)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    # Two candidates on two folds, and the best on all rows; three epochs each.
    assert len(epochs) == (2 * 2 + 1) * 3
    assert np.isfinite([row["r2"] for row in epochs]).all()


@for_each_solver
def test_progress_bar_shows_epochs(X, y, solver, capsys):
    pytest.importorskip("rich")
    small_net(solver=solver, max_iter=3).set_callbacks(callback.ProgressBar()).fit(X, y)
    printed = capsys.readouterr().out
    assert "LSTMRegressor - fit" in printed
    assert "100%" in printed


def test_progress_bar_ends_whole_when_a_fit_stops_early(X, y, capsys):
    pytest.importorskip("rich")
    model = small_net(max_iter=50, tol=10, n_iter_no_change=1)
    model.set_callbacks(callback.ProgressBar()).fit(X, y)
    assert model.n_iter_ == 3
    printed = capsys.readouterr().out
    assert "100%" in printed
    assert not re.search(r"\b\d\d?%", printed)


def test_progress_bar_advances_with_each_epoch(X, y, monkeypatch):
    pytest.importorskip("rich")
    from sklearn.callback import _progressbar

    progress, end = [], _progressbar.RichProgressMonitor._on_task_end

    def recording_end(self, task_info):
        end(self, task_info)
        progress.append(self.root_rich_task.progress)

    monkeypatch.setattr(_progressbar.RichProgressMonitor, "_on_task_end", recording_end)
    small_net(max_iter=4).set_callbacks(callback.ProgressBar()).fit(X, y)
    assert progress == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("nested", [False, True], ids=["net", "pipeline"])
def test_progress_bar_shows_epochs_inside_grid_search(X, y, capsys, nested):
    pytest.importorskip("rich")
    net = small_net(max_iter=2)
    model, name = (make_pipeline(StandardScaler(), net), "lstmregressor__") if nested else (net, "")
    search = GridSearchCV(model, {f"{name}alpha": [0, 1]}, cv=KFold(2))
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    printed = capsys.readouterr().out
    assert "GridSearchCV - fit" in printed
    # A bar for each fit, whose steps are the epochs: four in cross-validation, and the last one.
    assert len(re.findall(r"LSTMRegressor - fit #\d+ [━╸╺ ]+100%", printed)) == 5
    assert not re.search(r"\b\d\d?%", printed)


# --- Older versions -------------------------------------------------------------------------

# As before 1.9: there is no module to import. scikit-learn itself has imported it already.
WITHOUT_CALLBACKS = """
import sys, warnings
import sklearn.model_selection, sklearn.pipeline, sklearn.callback._callback_support
sys.modules["sklearn.callback"] = None
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=sklearn.exceptions.ConvergenceWarning)
import hashlib
import numpy as np
from sklstm import LSTMRegressor

assert not hasattr(LSTMRegressor, "set_callbacks")
X = np.random.RandomState(0).normal(size=(40, 12))
net = LSTMRegressor(4, max_iter=3, batch_size=16, early_stopping=True, random_state=0)
digest = hashlib.sha256(net.fit(X, X[:, 0]).predict(X).tobytes()).hexdigest()
LSTMRegressor(4, solver="lbfgs", max_iter=3).fit(X, X[:, 0])
LSTMRegressor(4).partial_fit(X, X[:, 0]).partial_fit(X, X[:, 0])
search = sklearn.model_selection.GridSearchCV(
    sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), net),
    {"lstmregressor__alpha": [0, 1]}, cv=2,
)
search.fit(X, X[:, 0]).predict(X)
print(digest)
"""


def test_without_the_module_everything_else_works():
    source = str(Path(sklstm.__file__).parents[1])
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_CALLBACKS], env={**os.environ, "PYTHONPATH": source},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    # The same bits as with the module.
    X = np.random.RandomState(0).normal(size=(40, 12))
    net = small_net(early_stopping=True, learning_rate_init=1e-3).fit(X, X[:, 0])
    assert result.stdout.split() == [hashlib.sha256(net.predict(X).tobytes()).hexdigest()]


def test_one_file_holds_the_difference():
    package = Path(sklstm.__file__).parent
    uses = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "sklearn.callback" in path.read_text(encoding="utf-8")
    ]
    assert uses == ["_callbacks.py"]
