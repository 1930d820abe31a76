"""Checkpoints: a fit that was killed goes on from its file, and ends with the same bits."""

import ast
import doctest
import errno
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import ENDLESS, assert_same_bits, small_net
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklstm
from sklstm import LSTMClassifier, LSTMRegressor, callbacks, sliding_windows
from sklstm.callbacks import Checkpoint

pytest.importorskip("sklearn.callback")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HUNT = Path(__file__).with_name("hunt_kills.py")
ROOT = str(Path(sklstm.__file__).parents[1])


class KilledError(Exception):
    """What stands for SIGKILL where a fit of this process is to end."""


class Callback:
    """After some epochs, does what it was given to do."""

    def __init__(self, epochs, action):
        self.epochs, self.action, self.seen = epochs, action, 0

    def setup(self, estimator, context):
        self.seen, self.max_subtasks = 0, context.max_subtasks

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.seen += context.task_name == "epoch"
        return context.task_name == "epoch" and self.seen == self.epochs and self.action()


def kill():
    raise KilledError


def interrupt():
    raise KeyboardInterrupt


def stop():
    return True


@pytest.fixture(name="path")
def file(tmp_path):
    return tmp_path / "model.joblib"


def goes_on(net, path, *others, every=1):
    """The net, as it is constructed in each run of the same lines."""
    return clone(net).set_callbacks(Checkpoint(path, every=every, resume=True), *others)


def state(model):
    """All that a fit leaves on it."""
    return {k: v for k, v in vars(model).items() if k not in ("_skl_callbacks", "max_iter")}


def fit_killed(net, path, epochs, *data, every=1, **more):
    with pytest.raises(KilledError):
        goes_on(net, path, Callback(epochs, kill), every=every).fit(*data, **more)


# --- Killed at random moments ---------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, then killed")
@pytest.mark.parametrize(
    "kills", [50, pytest.param(300, marks=pytest.mark.slow)], ids=["50 kills", "300 kills"]
)
def test_killed_at_random_moments_a_fit_ends_with_the_same_bits_and_its_file_is_whole(kills):
    command = [sys.executable, str(HUNT), "--kills", str(kills)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    found = ast.literal_eval(result.stdout.splitlines()[-1])
    assert found["kills"] >= kills
    # Four kinds of nets, of which each has ended at least once.
    assert found["ended"] >= 4
    assert found["went on"] > kills / 2
    assert (found["spoilt"], found["not whole"], found["other errors"]) == (0, 0, 0)


SAME_LINES = """
import os, signal, sys
import numpy as np
from sklstm import LSTMRegressor
from sklstm.callbacks import Checkpoint

class Kill:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context):
        if context.task_id == 6 and len(sys.argv) > 2:
            os.kill(os.getpid(), signal.SIGKILL)

X = np.random.RandomState(0).normal(size=(40, 12))
net = LSTMRegressor(4, max_iter=12, batch_size=16, dropout=0.2, random_state=0, n_iter_no_change=50)
net.set_callbacks(Checkpoint(sys.argv[1], every=5, resume=True), Kill()).fit(X, X[:, 0])
print(net.n_iter_, net.predict(X).tobytes().hex())
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_the_same_lines_in_a_new_process_go_on(path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", SAME_LINES, str(path), *arguments],
            env={**os.environ, "PYTHONPATH": ROOT}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("kill").returncode == -signal.SIGKILL
    assert joblib.load(path).n_iter_ == 5
    n_iter, bits = run().stdout.split()
    X = np.random.RandomState(0).normal(size=(40, 12))
    net = small_net(max_iter=12, dropout=0.2, learning_rate_init=1e-3, n_iter_no_change=50)
    assert bits == net.fit(X, X[:, 0]).predict(X).tobytes().hex()
    assert n_iter == "12"


# --- What goes on ---------------------------------------------------------------------------

GOING_ON = {
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
    "in order": {"shuffle": False},
    "invscaling": {"learning_rate": "invscaling", "solver": "sgd"},
    "cosine": {"learning_rate": "cosine", "solver": "adamw"},
    "adaptive": {"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 6, "learning_rate_init": 0.1},
    "in time order": {"early_stopping": True, "shuffle": False, "n_iter_no_change": 3},
    "rmsprop": {"solver": "rmsprop", "max_grad_norm": 0.1},
    "two layers": {"hidden_layer_sizes": (3, 2), "bidirectional": True, "pooling": "mean"},
    "quantiles": {"loss": "quantile", "quantile": [0.1, 0.9]},
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("parameters", GOING_ON.values(), ids=GOING_ON)
def test_wherever_it_is_killed_it_ends_with_the_bits_of_the_fit_that_was_not(
    X, y, path, parameters, dtype
):
    X = X.astype(dtype)
    net = small_net(**{"max_iter": 15, **ENDLESS, **parameters})
    alone = clone(net).fit(X, y)
    for epochs in (2, 3, 1, 4):
        fit_killed(net, path, min(epochs, alone.n_iter_), X, y)
    model = goes_on(net, path).fit(X, y)
    assert_same_bits(state(model), state(alone))
    assert_same_bits(model.predict(X), alone.predict(X))


def test_patience_of_the_epoch_after_which_it_was_killed_counts(X, y, path):
    # The rate falls, or training stops, right after an epoch that was written: at each of them.
    for learning_rate in ("adaptive", "constant"):
        net = small_net(
            max_iter=12, tol=0.05, n_iter_no_change=1, learning_rate=learning_rate
        )  # fmt: skip
        alone = clone(net).fit(X, y)
        for epochs in range(1, alone.n_iter_ + 1):
            path.unlink(missing_ok=True)
            keeper = Checkpoint(path, resume=True)
            write, written = keeper._keep_fit, []

            def kill_after(model, write=write, written=written, epochs=epochs):
                write(model)
                written.append(model)
                if len(written) == epochs:
                    kill()

            keeper._keep_fit = kill_after
            with pytest.raises(KilledError):
                clone(net).set_callbacks(keeper).fit(X, y)
            assert_same_bits(state(goes_on(net, path).fit(X, y)), state(alone))


def test_a_list_windows_and_answers_at_each_step_go_on(X3, path):
    series = [np.sin(np.arange(40.0)), np.cos(np.arange(30.0))]
    windows, next_values = sliding_windows(series, 6)
    sequences = [sequence[: 2 + i % 4] for i, sequence in enumerate(X3)]
    each_step = small_net(pooling=None, max_iter=6, early_stopping=True)
    for net, X, y in (
        (small_net(max_iter=6), windows, next_values),
        (small_net(max_iter=6), sequences, X3[:, 0, 0]),
        (each_step, sequences, [sequence[:, 0] for sequence in sequences]),
        (LSTMClassifier(4, max_iter=6, random_state=0), X3, np.where(X3[:, 0, 0] > 0, "a", "b")),
    ):
        path.unlink(missing_ok=True)
        fit_killed(net, path, 3, X, y)
        assert_same_bits(state(goes_on(net, path).fit(X, y)), state(clone(net).fit(X, y)))


def test_weights_and_validation_data_that_are_given_again_go_on(X, y, path):
    net = small_net(max_iter=8, n_iter_no_change=2)
    given = {"sample_weight": np.arange(40) % 3, "X_val": X[:9], "y_val": y[:9]}
    fit_killed(net, path, 3, X, y, **given)
    alone = clone(net).fit(X, y, **given)
    assert_same_bits(state(goes_on(net, path).fit(X, y, **given)), state(alone))


def test_a_fit_without_a_random_state_goes_on_with_the_numbers_that_it_drew(X, y, path):
    net = small_net(random_state=None, max_iter=8, dropout=0.2, early_stopping=True)
    fit_killed(net, path, 3, X, y)
    # The same file twice: what is drawn in between does not matter.
    copied = path.read_bytes()
    one = goes_on(net, path).fit(X, y)
    path.write_bytes(copied)
    assert_same_bits(goes_on(net, path).fit(X, y).loss_curve_, one.loss_curve_)


def test_a_random_state_instance_moves_on_as_without_a_file(X, y, path):
    fit_killed(small_net(random_state=np.random.RandomState(3), max_iter=6), path, 3, X, y)
    random_states = np.random.RandomState(3), np.random.RandomState(3)
    gone_on, alone = (small_net(random_state=each, max_iter=6) for each in random_states)
    gone_on.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert_same_bits(state(gone_on), state(alone.fit(X, y)))


def test_ctrl_c_ends_a_fit_that_can_go_on(X, y, path):
    net = small_net(max_iter=10, dropout=0.2)
    with pytest.warns(UserWarning, match="interrupted"):
        goes_on(net, path, Callback(5, interrupt), every=2).fit(X, y)
    assert joblib.load(path).n_iter_ == 4
    assert_same_bits(state(goes_on(net, path).fit(X, y)), state(clone(net).fit(X, y)))


def test_a_warm_start_goes_on_too(X, y, path):
    def warm(*checkpoints):
        net = small_net(warm_start=True, max_iter=6, early_stopping=True).fit(X, y)
        return net.set_callbacks(*checkpoints)

    with pytest.raises(KilledError):
        warm(Checkpoint(path, resume=True), Callback(3, kill)).fit(X, y)
    assert joblib.load(path).n_iter_ == 8
    model = warm(Checkpoint(path, resume=True)).fit(X, y)
    assert_same_bits(state(model), state(warm().fit(X, y)))
    # It began from another net than the next fit does.
    with pytest.raises(ValueError, match="fitted net of one after 12 epochs"):
        model.fit(X, y)


def test_callbacks_are_told_of_the_epochs_that_are_left(X, y, path):
    net, counter = small_net(max_iter=10), Callback(0, stop)
    fit_killed(net, path, 5, X, y)
    goes_on(net, path, counter).fit(X, y)
    assert counter.seen == counter.max_subtasks == 6


# --- A fit that has ended -------------------------------------------------------------------

ENDS = {
    "max_iter": {},
    "patience": {"tol": 10, "n_iter_no_change": 1, "max_iter": 50},
    "validation": {"early_stopping": True, "learning_rate_init": 0.1, "n_iter_no_change": 2},
    "divergence": {"learning_rate_init": 1e200, "solver": "sgd", "normalize_X": False},
}


@pytest.mark.parametrize("parameters", ENDS.values(), ids=ENDS)
def test_a_fit_that_has_ended_trains_no_more_and_has_the_same_bits(X, y, path, parameters):
    net = small_net(**{"max_iter": 8, **parameters})
    model, counter = goes_on(net, path, every=3).fit(X, y), Callback(0, stop)
    assert_same_bits(state(model), state(clone(net).fit(X, y)))
    again = goes_on(net, path, counter).fit(X, y)
    assert counter.seen == 0
    assert_same_bits(state(again), state(model))


def test_a_fit_that_another_callback_stopped_has_ended(X, y, path):
    model = goes_on(small_net(max_iter=20), path, Callback(3, stop)).fit(X, y)
    counter = Callback(0, stop)
    again = goes_on(small_net(max_iter=20), path, counter).fit(X, y)
    assert counter.seen == 0
    assert_same_bits(state(again), state(model))


@pytest.mark.parametrize("parameters", [{"dropout": 0.2}, {"early_stopping": True}])
def test_with_a_larger_max_iter_it_goes_on_as_if_that_had_been_said_at_once(X, y, path, parameters):
    parameters |= {"learning_rate_init": 0.1, **ENDLESS}
    alone = small_net(max_iter=20, **parameters).fit(X, y)
    for max_iter in (6, 13, 20):
        model = goes_on(small_net(max_iter=max_iter, **parameters), path).fit(X, y)
        assert model.n_iter_ == max_iter
    assert_same_bits(state(model), state(alone))


# --- The file -------------------------------------------------------------------------------


def test_the_file_is_a_fitted_estimator_of_that_epoch(X, y, path):
    y = 100 + 20 * y
    net = small_net(max_iter=20, shuffle=False)
    fit_killed(net, path, 7, X, y, every=3)
    model, stopped = joblib.load(path), clone(net).set_params(max_iter=6).fit(X, y)
    assert type(model) is LSTMRegressor
    assert_same_bits(model.predict(X), stopped.predict(X))
    assert_same_bits(model.loss_curve_, stopped.loss_curve_)
    assert model.get_params() == net.get_params()


def test_the_file_of_a_fit_that_has_ended_is_what_fit_returned(X, y, path):
    net = small_net(max_iter=20, early_stopping=True, learning_rate_init=0.1)
    model = net.set_callbacks(Checkpoint(path, every=1000)).fit(X, y)
    assert np.argmax(model.validation_scores_) < model.n_iter_ - 1
    kept = joblib.load(path)
    assert_same_bits(kept.predict(X), model.predict(X))
    # It says nothing to any file, and what only a fit that goes on needs does not stay.
    kept.set_params(warm_start=True).fit(X, y)
    assert not hasattr(kept, "_skl_callbacks")
    assert not hasattr(kept, "_standing")
    assert joblib.load(path).n_iter_ == model.n_iter_


def test_it_is_written_every_so_many_epochs_and_at_the_end(X, y, path, monkeypatch):
    written, replace = [], os.replace

    def counting_replace(source, target):
        replace(source, target)
        written.append(joblib.load(target).n_iter_)

    monkeypatch.setattr(os, "replace", counting_replace)
    small_net(max_iter=12).set_callbacks(Checkpoint(path, every=5)).fit(X, y)
    assert written == [5, 10, 12]


def test_without_resume_a_fit_begins_anew(X, y, path):
    small_net(max_iter=2).set_callbacks(Checkpoint(path)).fit(X, y)
    model = small_net(max_iter=3, alpha=1).set_callbacks(Checkpoint(path)).fit(X, y)
    assert_same_bits(state(model), state(small_net(max_iter=3, alpha=1).fit(X, y)))
    assert joblib.load(path).alpha == 1


def test_lbfgs_and_partial_fit_write_files_that_cannot_be_gone_on_from(X, y, path):
    net = small_net(solver="lbfgs", max_iter=5).set_callbacks(Checkpoint(path)).fit(X, y)
    assert_same_bits(joblib.load(path).predict(X), net.predict(X))
    stream = small_net().set_callbacks(Checkpoint(path, every=2))
    for n_iter in (2, 2, 4, 4):
        stream.partial_fit(X, y)
        if stream.n_iter_ > 1:
            assert joblib.load(path).n_iter_ <= n_iter
    # Also where it began with a file that could be.
    small_net().set_callbacks(Checkpoint(path)).fit(X, y)
    joblib.load(path).set_callbacks(Checkpoint(path)).partial_fit(X, y)
    assert not hasattr(joblib.load(path), "_standing")
    stream.partial_fit(X, y).partial_fit(X, y)
    kept = joblib.load(path)
    assert_same_bits(kept.predict(X), stream.predict(X))
    assert_same_bits(kept.partial_fit(X, y).predict(X), stream.partial_fit(X, y).predict(X))
    with pytest.raises(ValueError, match="cannot be gone on from"):
        goes_on(small_net(), path).fit(X, y)
    for refused, method in ((small_net(solver="lbfgs"), "fit"), (small_net(), "partial_fit")):
        with pytest.raises(ValueError, match=r"^resume=True .*resume=False"):
            getattr(goes_on(refused, path), method)(X, y)


def test_what_was_left_behind_half_written_goes_in_time(X, y, path):
    left, young, other = (
        path.with_name(f"{name}.part") for name in (f"{path.name}.1", f"{path.name}.2", "other.1")
    )
    for part in (left, young, other):
        part.write_text("half")
    long_ago = time.time() - 3600
    for part in (left, other):
        os.utime(part, (long_ago, long_ago))
    small_net().set_callbacks(Checkpoint(path)).fit(X, y)
    assert sorted(path.parent.iterdir()) == sorted([path, young, other])


# --- Files that cannot be written -----------------------------------------------------------


def no_space(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def only_one_warning(net, *data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(*data)
    [told] = [each for each in caught if not issubclass(each.category, ConvergenceWarning)]
    assert told.filename == __file__
    return str(told.message)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_warns_once_and_training_goes_on(X, y, path, monkeypatch, call):
    small_net(max_iter=2).set_callbacks(Checkpoint(path)).fit(X, y)
    before = path.read_bytes()
    net = small_net(max_iter=6).set_callbacks(Checkpoint(path, resume=True))
    with monkeypatch.context() as full:
        full.setattr(os, call, no_space)
        told = only_one_warning(net, X, y)
    assert told == (
        f"{path} could not be written, training goes on: [Errno 28] No space left on device."
    )
    assert_same_bits(state(net), state(small_net(max_iter=6).fit(X, y)))
    # The file is that of before, whole, and nothing lies beside it.
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    # With space again, it goes on from there. A new fit may warn again.
    goes_on(small_net(max_iter=6), path).fit(X, y)
    assert joblib.load(path).n_iter_ == 6
    with monkeypatch.context() as full:
        full.setattr(os, call, no_space)
        only_one_warning(net, X, y)


def test_a_file_that_may_not_grow_warns_once_and_leaves_nothing(X, y, path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    net = small_net(hidden_layer_sizes=32).set_callbacks(Checkpoint(path))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
        told = only_one_warning(net, X, y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "could not be written" in told
    assert list(path.parent.iterdir()) == []
    assert net.n_iter_ == 3


def test_a_folder_that_may_not_be_written_warns_once(X, y, path):
    path.write_text("a file, no folder")
    net = small_net().set_callbacks(Checkpoint(path / "model.joblib"))
    assert "could not be written" in only_one_warning(net, X, y)
    net.set_callbacks(Checkpoint(path.parent / "missing" / "model.joblib", resume=True))
    assert "No such file or directory" in only_one_warning(net, X, y)
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        path.parent.chmod(0o500)
        net.set_callbacks(Checkpoint(path.parent / "model.joblib"))
        assert "Permission denied" in only_one_warning(net, X, y)


def test_what_is_no_pickle_warns_once(X, y, path):
    class Local(LSTMRegressor):
        pass

    net = Local(4, max_iter=3, random_state=0).set_callbacks(Checkpoint(path))
    assert "could not be written, training goes on: " in only_one_warning(net, X, y)
    assert list(path.parent.iterdir()) == []
    assert net.n_iter_ == 3


@pytest.mark.skipif(os.name == "nt", reason="links are for those who may")
def test_a_link_stays_one_and_what_it_points_at_is_replaced(X, y, path, tmp_path):
    disk = tmp_path / "large disk"
    disk.mkdir()
    path.symlink_to(disk / "kept.joblib")
    net = small_net(max_iter=6)
    fit_killed(net, path, 4, X, y)
    assert path.is_symlink()
    assert [each.name for each in disk.iterdir()] == ["kept.joblib"]
    assert_same_bits(state(goes_on(net, path).fit(X, y)), state(clone(net).fit(X, y)))


def test_a_relative_path_means_the_folder_where_it_was_said(X, y, path, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(path.parent)

    def move():
        os.chdir(elsewhere)

    for name in (path.name, os.fsencode(path.name), Path(path.name)):
        os.chdir(path.parent)
        net = small_net(max_iter=6).set_callbacks(Checkpoint(name), Callback(2, move))
        net.fit(X, y)
        assert list(elsewhere.iterdir()) == []
        assert joblib.load(path).n_iter_ == 6
        path.unlink()


def test_ctrl_c_while_a_file_is_written_leaves_the_old_one(X, y, path, monkeypatch):
    net = small_net(max_iter=6)
    fit_killed(net, path, 3, X, y)
    before = path.read_bytes()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(os, "fsync", lambda file: interrupt())
        with pytest.warns(UserWarning, match="interrupted"):
            goes_on(net, path).fit(X, y)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert_same_bits(state(goes_on(net, path).fit(X, y)), state(clone(net).fit(X, y)))


# --- What is refused ------------------------------------------------------------------------

OTHER_PARAMETERS = {
    r"alpha=1 \(was 0.0001\)": {"alpha": 1},
    r"batch_size=8 \(was 16\), solver='sgd' \(was 'adam'\)": {"batch_size": 8, "solver": "sgd"},
    r"hidden_layer_sizes=\(4, 4\) \(was 4\)": {"hidden_layer_sizes": (4, 4)},
    r"random_state=1 \(was 0\)": {"random_state": 1},
    r"random_state=None \(was 0\)": {"random_state": None},
    r"max_iter=2 \(it has 3 epochs\)": {"max_iter": 2},
}


def refused(net, path, match, *data, **more):
    """A refusal in one sentence, which changes nothing."""
    before, file = dict(vars(net)), path.read_bytes()
    with pytest.raises(ValueError, match=match) as error:
        net.set_callbacks(Checkpoint(path, resume=True)).fit(*data, **more)
    assert str(error.value).startswith(f"resume=True goes on with the fit of {path}, but got ")
    assert str(error.value).endswith(": name another file, delete this one, or fit as it was.")
    assert {k: v for k, v in vars(net).items() if k != "_skl_callbacks"} == before
    assert path.read_bytes() == file


@pytest.mark.parametrize("match", OTHER_PARAMETERS)
def test_other_parameters_are_refused(X, y, path, match):
    fit_killed(small_net(max_iter=9), path, 4, X, y)
    refused(small_net(**{"max_iter": 9, **OTHER_PARAMETERS[match]}), path, match, X, y)


def test_what_is_only_printed_may_change_and_arrays_mean_what_lists_do(X, y, path, capsys):
    net = small_net(hidden_layer_sizes=[3, 2], max_iter=6)
    fit_killed(net, path, 4, X, y)
    same = small_net(hidden_layer_sizes=np.array([3, 2]), max_iter=6, verbose=True)
    assert goes_on(same, path).fit(X, y).n_iter_ == 6
    assert capsys.readouterr().out.startswith("Iteration 4,")


def test_another_max_iter_is_refused_where_rates_depend_on_it(X, y, path):
    fit_killed(small_net(max_iter=9, learning_rate="cosine"), path, 4, X, y)
    net = small_net(max_iter=10, learning_rate="cosine")
    refused(net, path, r"max_iter=10 \(was 9\)", X, y)


def test_other_data_are_refused(X, y, X3, path):
    net = small_net(max_iter=9)
    fit_killed(net, path, 4, X, y)
    was = r"\(was 40 sequences, 480 steps, 1 features, float64\)"
    for match, *data in (
        (rf"X of 39 sequences, 468 steps, 1 features, float64 {was}", X[1:], y[1:]),
        (rf"X of 40 sequences, 400 steps, 1 features, float64 {was}", X[:, 2:], y),
        (rf"X of 40 sequences, 240 steps, 2 features, float64 {was}", X3, y),
        (rf"X of 40 sequences, 480 steps, 1 features, float32 {was}", X.astype(np.float32), y),
        (r"y of 40 x 2 targets \(was 40 x 1 targets\)", X, np.c_[y, y]),
        ("other numbers in X, other numbers in y", X[::-1], y[::-1]),
        ("got other numbers in X: ", X[::-1], y),
        ("got other numbers in y: ", X, -y),
        ("got other numbers in sample_weight, ", X, y, np.arange(1, 41)),
    ):
        refused(clone(net), path, match, *data)
    refused(clone(net), path, r"X_val of 9 seq.* \(was none\), y_val of 9 x 1 targets", X, y, None,
            X[:9], y[:9])  # fmt: skip


def test_other_columns_and_other_classes_are_refused(X, path):
    pd = pytest.importorskip("pandas")
    labels = np.where(X[:, 0] > 0, "a", "b")
    net = LSTMClassifier(4, max_iter=6, random_state=0)
    fit_killed(net, path, 3, X, labels)
    refused(clone(net), path, r"y of .*\['a', 'c'\] \(was ", X, np.char.replace(labels, "b", "c"))
    table = pd.DataFrame(X, columns=[f"t{i}" for i in range(X.shape[1])])
    refused(clone(net), path, "columns of t0, t1, ", table, labels)
    refused(small_net(max_iter=6), path, r"estimator='LSTMRegressor' \(was 'LSTMClassifier'\)", X,
            X[:, 0])  # fmt: skip


def test_targets_that_differ_by_rounding_alone_are_the_same(X, y, path):
    # The mean and the deviation of another processor.
    net = small_net(max_iter=6)
    fit_killed(net, path, 3, X, y)
    assert goes_on(net, path).fit(X, y * (1 + 1e-14)).n_iter_ == 6


def test_a_search_whose_fits_share_a_file_is_refused(X, y, path):
    # Its folds are of equal shape: one would take the other's net for its own.
    search = GridSearchCV(
        goes_on(small_net(), path), {"alpha": [0]}, cv=KFold(2), error_score="raise"
    )
    with pytest.raises(ValueError, match="other numbers in X, other numbers in y"):
        search.fit(X, y)
    # Without resume each fit replaces the file of the one before.
    search.set_params(estimator=small_net().set_callbacks(Checkpoint(path))).fit(X, y)
    assert_same_bits(joblib.load(path).predict(X), search.predict(X))


@pytest.mark.skipif(os.name == "nt", reason="a file has no such modes on Windows")
def test_who_may_read_the_file_is_the_users_to_say(X, y, path):
    goes_on(small_net(), path).fit(X, y)
    path.chmod(0o600)
    goes_on(small_net(max_iter=300), path).fit(X, y)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_no_checkpoint_is_refused_and_stays(X, y, path):
    net = small_net().fit(X, y)
    for write in (
        lambda: path.write_text("no model"),
        lambda: path.write_bytes(b""),
        lambda: joblib.dump(net, path),
        lambda: path.write_bytes(pickle.dumps(net)),
        lambda: path.write_bytes(pickle.dumps(X)),
    ):
        write()
        before = path.read_bytes()
        with pytest.raises(ValueError, match=r"cannot be gone on from.* delete this one\.$"):
            goes_on(net, path).fit(X, y)
        assert path.read_bytes() == before


def test_a_crafted_file_is_refused(X, y, path):
    net = small_net(max_iter=6, early_stopping=True)
    for part, name in (
        ("progress", "weights"), ("course", "sound"), ("patience", "best_weights")
    ):  # fmt: skip
        path.unlink(missing_ok=True)
        fit_killed(net, path, 3, X, y)
        model = joblib.load(path)
        model._standing[part][name] = model._standing[part][name][:-1]
        path.write_bytes(pickle.dumps(model))
        with pytest.raises(ValueError, match="is damaged"):
            goes_on(net, path).fit(X, y)


def test_what_a_checkpoint_is_given_is_checked(X, y, path):
    for every in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="every must be an integer of at least 1, got"):
            Checkpoint(path, every=every)
    for other in (GridSearchCV(small_net(), {"alpha": [0]}), LogisticRegression()):
        if hasattr(other, "set_callbacks"):
            with pytest.raises(TypeError, match="set it on the net inside"):
                other.set_callbacks(Checkpoint(path)).fit(X, y > 0)


# --- Copies, pipelines ----------------------------------------------------------------------


def test_an_estimator_with_a_checkpoint_can_be_pickled_and_cloned(X, y, path):
    net = small_net().set_callbacks(Checkpoint(path, every=2, resume=True))
    for copy in (pickle.loads(pickle.dumps(net)), clone(net)):
        [checkpoint] = copy._skl_callbacks
        assert repr(checkpoint) == f"Checkpoint({str(path)!r}, every=2, resume=True)"
        copy.fit(X, y)
    assert_same_bits(pickle.loads(pickle.dumps(copy)).predict(X), copy.predict(X))
    assert_same_bits(clone(copy).fit(X, y).predict(X), copy.predict(X))


def test_a_net_in_a_pipeline_goes_on(X, y, path):
    net = small_net(max_iter=6)
    with pytest.raises(KilledError):
        make_pipeline(StandardScaler(), goes_on(net, path, Callback(3, kill))).fit(X, y)
    assert joblib.load(path).n_iter_ == 2
    model = make_pipeline(StandardScaler(), goes_on(net, path)).fit(X, y)
    alone = make_pipeline(StandardScaler(), clone(net)).fit(X, y)
    assert_same_bits(model.predict(X), alone.predict(X))


def test_several_checkpoints_keep_their_own_files(X, y, path):
    other = path.with_name("other.joblib")
    net = small_net(max_iter=7)
    keepers = Checkpoint(other, every=4), Checkpoint(path, resume=True)
    with pytest.raises(KilledError):
        clone(net).set_callbacks(*keepers, Callback(6, kill)).fit(X, y)
    assert (joblib.load(other).n_iter_, joblib.load(path).n_iter_) == (4, 5)
    model = clone(net).set_callbacks(*keepers).fit(X, y)
    assert_same_bits(state(model), state(clone(net).fit(X, y)))


def test_a_checkpoint_changes_no_bit_of_the_fit(X, y, path):
    net = small_net(early_stopping=True, dropout=0.2, max_iter=9)
    watched = clone(net).set_callbacks(Checkpoint(path)).fit(X, y)
    assert_same_bits(state(watched), state(clone(net).fit(X, y)))


# --- Older versions, and what the docstring shows -------------------------------------------


def test_before_callbacks_a_checkpoint_is_refused_in_a_sentence():
    code = """
import sys
import sklearn.model_selection, sklearn.pipeline, sklearn.callback._callback_support
sys.modules["sklearn.callback"] = None
from sklstm.callbacks import Checkpoint
try:
    Checkpoint("model.joblib")
except ImportError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert told == (
        'Checkpoint needs the callbacks of scikit-learn 1.9: pip install "scikit-learn>=1.9".\n'
    )


def test_the_example_of_the_docstring_runs():
    # As a doctest it is skipped, since older versions of scikit-learn could not run it.
    text = Checkpoint.__doc__.replace("# doctest: +SKIP", "")
    example = doctest.DocTestParser().get_doctest(text, {}, "Checkpoint", callbacks.__file__, 0)
    assert doctest.DocTestRunner().run(example).failed == 0
