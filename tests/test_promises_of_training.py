"""What docs/user_guide/training.md promises, of estimators as users construct them."""

import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = ignores_convergence

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "training.md"
RNG = np.random.RandomState(0)
LEVEL = 3 + 2 * np.sin(np.arange(140) / 5)
SERIES = LEVEL * (1 + 0.2 * RNG.normal(size=140))
WINDOWS = np.lib.stride_tricks.sliding_window_view(SERIES, 21)
X, Y = WINDOWS[:, :20], WINDOWS[:, 20]
LABELS = np.where(X[:, -1] < Y, "up", "down")
LOSSES = "squared_error", "absolute_error", "huber", "quantile", "poisson", "gaussian"
for_each_loss = pytest.mark.parametrize("loss", LOSSES)
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, Y), (LSTMClassifier, LABELS)],
    ids=["regressor", "classifier"],
)


# --- Which loss -----------------------------------------------------------------------------


def test_each_loss_predicts_what_the_table_says():
    # X says nothing, so one number is predicted: the nearest to it is that of the loss.
    y = np.random.RandomState(0).exponential(size=200)
    best = {"mean": np.mean(y), "median": np.median(y), "quantile": np.quantile(y, 0.9)}
    for loss, name in (
        ("squared_error", "mean"),
        ("absolute_error", "median"),
        ("quantile", "quantile"),
        ("poisson", "mean"),
        ("gaussian", "mean"),
    ):
        model = LSTMRegressor(loss=loss, quantile=0.9, learning_rate_init=0.003, random_state=0)
        predicted = model.fit(np.zeros((200, 5)), y).predict(np.zeros((1, 5)))
        assert min(best, key=lambda each: abs(best[each] - predicted[0])) == name


def test_huber_predicts_nearly_the_mean_and_outliers_pull_less():
    y = np.r_[np.random.RandomState(0).normal(size=190), np.full(10, 50.0)]
    X = np.zeros((200, 5))
    (huber,), (mean,) = (
        LSTMRegressor(loss=loss, learning_rate_init=0.003, random_state=0).fit(X, y).predict(X[:1])
        for loss in ("huber", "squared_error")
    )
    assert abs(mean - y.mean()) < 0.5
    assert abs(huber) < 0.6 * y.mean()


def test_poisson_is_never_negative():
    y = np.random.RandomState(0).poisson(0.2, size=len(X))
    assert (LSTMRegressor(loss="poisson").fit(X, y).predict(10 * X) >= 0).all()


@for_each_loss
def test_predictions_are_in_the_units_of_y_for_every_loss(loss):
    # By a power of 2, which keeps all digits.
    one, other = (LSTMRegressor(loss=loss, random_state=0, max_iter=5) for _ in range(2))
    one.fit(X, Y), other.fit(X, 1024 * Y)
    if loss == "poisson":
        assert 0.5 < other.predict(X).mean() / (1024 * Y).mean() < 2
    else:
        np.testing.assert_allclose(other.predict(X), 1024 * one.predict(X), rtol=1e-9)


@for_each_loss
def test_losses_mean_the_same_whatever_y_is_measured_in_but_for_poisson(loss):
    curves = [
        LSTMRegressor(loss=loss, max_iter=20, random_state=0).fit(X, unit * Y).loss_curve_
        for unit in (1, 1024)
    ]
    assert (curves[0] == curves[1]) == (loss != "poisson")


# --- Which solver, and how the rate goes on -------------------------------------------------


@for_both
def test_lbfgs_knows_no_learning_rate_and_no_minibatches(estimator, y):
    settings = {"solver": "lbfgs", "max_iter": 20, "random_state": 0}
    model = estimator(**settings).fit(X, y)
    other = estimator(
        **settings, learning_rate_init=0.5, learning_rate="cosine", batch_size=7, shuffle=False
    ).fit(X, y)
    assert_same_bits(other._weights, model._weights)


@for_both
def test_gradients_are_not_clipped_by_default(estimator, y):
    model = estimator(random_state=0).fit(X, y)
    unlimited = estimator(max_grad_norm=1e300, random_state=0).fit(X, y)
    assert_same_bits(model._weights, unlimited._weights)


def test_what_clipping_costs():
    # The data of scikit-learn's check of weights.
    rng = np.random.RandomState(42)
    X, y, weight = rng.rand(15, 30), rng.randint(3, size=15), rng.randint(5, size=15)
    rows = np.repeat(X, weight, axis=0), np.repeat(y, weight)
    assert len(rows[0]) == 27

    def net(norm, seed, **parameters):
        planned = {"max_grad_norm": norm, "n_iter_no_change": np.inf, "random_state": seed}
        return LSTMRegressor(**planned, **parameters)

    worst, losses = {}, {}
    for norm in (None, 1):
        models = [net(norm, seed, normalize_X=False) for seed in range(5)]
        twice = [model.fit(*rows).predict(X) for model in models]
        losses[norm] = np.median([model.loss_ for model in models])
        weighted = [model.fit(X, y, weight).predict(X) for model in models]
        worst[norm] = np.abs(np.subtract(twice, weighted)).max() / np.abs(twice).max()
    assert worst[None] < 1e-10
    # Here up to 0.09.
    assert worst[1] > 1e-5
    assert losses[1] > 2 * losses[None]
    assert_same_bits(net(1, 0).fit(*rows)._weights, net(None, 0).fit(*rows)._weights)


# --- When to stop ---------------------------------------------------------------------------


@for_both
@pytest.mark.parametrize("planned", [{"n_iter_no_change": np.inf}, {"learning_rate": "cosine"}])
def test_a_planned_end_warns_of_nothing(estimator, y, planned):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = estimator(max_iter=15, **planned).fit(X, y)
    assert model.n_iter_ == 15
    with pytest.warns(ConvergenceWarning):
        estimator(max_iter=15).fit(X, y)


@for_both
def test_the_weights_of_the_best_epoch_are_kept(estimator, y):
    # The last part is held out, so that what it scores can be seen from here.
    model = estimator(early_stopping=True, validation_fraction=0.2, shuffle=False, random_state=0)
    model.fit(X, y)
    n = int(np.ceil(0.2 * len(X)))
    np.testing.assert_allclose(model.score(X[-n:], y[-n:]), model.best_validation_score_)
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_the_score_is_minus_the_mean_loss_but_for_squared_error(loss):
    model = LSTMRegressor(loss=loss, early_stopping=True, shuffle=False, random_state=0)
    model.fit(X, Y)
    held_out = slice(-12, None)  # a tenth of 120
    training = Y[:-12]
    error = (model.predict(X[held_out]) - Y[held_out]) / training.std()
    size = np.abs(error)
    losses = {
        "absolute_error": size,
        "quantile": size / 2,
        "huber": np.where(size < 1.35, error**2 / 2, 1.35 * (size - 1.35 / 2)),
    }
    np.testing.assert_allclose(model.best_validation_score_, -losses[loss].mean(), rtol=1e-9)


# --- Against overfitting --------------------------------------------------------------------


def test_with_dropout_the_loss_curve_is_higher_than_the_loss_of_the_fitted_model():
    model = LSTMRegressor(
        dropout=0.3, recurrent_dropout=0.3, max_iter=100, n_iter_no_change=np.inf, random_state=0
    ).fit(X, Y)
    loss = np.mean((model.predict(X) - Y) ** 2) / Y.var() / 2
    assert np.mean(model.loss_curve_[-10:]) > 1.1 * loss
    # predict leaves nothing out.
    assert_same_bits(model.predict(X), model.predict(X))


# --- Going on -------------------------------------------------------------------------------


@for_both
def test_50_and_50_epochs_are_100_bit_for_bit(estimator, y):
    planned = {"shuffle": False, "n_iter_no_change": np.inf, "random_state": 0}
    half = estimator(max_iter=50, warm_start=True, **planned)
    whole = estimator(max_iter=100, **planned).fit(X, y)
    assert_same_bits(half.fit(X, y).fit(X, y)._weights, whole._weights)


def test_validation_data_may_be_others_than_before():
    settings = {"max_iter": 5, "shuffle": False, "random_state": 0}
    model = LSTMRegressor(warm_start=True, **settings)
    model.fit(X[:60], Y[:60], X_val=X[60:90], y_val=Y[60:90])
    started_with = model.score(X[90:], Y[90:])
    model.set_params(learning_rate_init=1e-12).fit(X[:60], Y[:60], X_val=X[90:], y_val=Y[90:])
    np.testing.assert_allclose(model.best_validation_score_, started_with, rtol=1e-6)


@for_both
def test_a_stream_is_one_pass_over_each_chunk(estimator, y):
    stream = estimator(random_state=0)
    classes = {} if estimator is LSTMRegressor else {"classes": ["down", "up"]}
    for start in range(0, 120, 30):
        stream.partial_fit(X[start : start + 30], y[start : start + 30], **classes)
    assert stream.t_ == 120
    before = stream._weights.copy()
    with pytest.raises(ValueError, match="features"):
        stream.partial_fit(X[:30, :10], y[:30], **classes)
    assert_same_bits(stream._weights, before)
    assert stream.t_ == 120


def test_the_first_chunk_fixes_the_scale_so_let_it_be_typical():
    typical, odd = LSTMRegressor(random_state=0), LSTMRegressor(random_state=0)
    typical.partial_fit(X[:30], Y[:30])
    odd.partial_fit(X[:30] / 100, Y[:30] / 100)
    for _ in range(20):
        typical.partial_fit(X, Y)
        odd.partial_fit(X, Y)
    assert typical.score(X, Y) > odd.score(X, Y)


# --- Long fits ------------------------------------------------------------------------------


class Counter:
    """Counts epochs; ends the process of a fit, or what stands for it, after some."""

    def __init__(self, killed_after=None):
        self.killed_after, self.epochs = killed_after, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.epochs += context.task_name == "epoch"
        if self.epochs == self.killed_after:
            raise SystemExit

    def on_fit_task_end(self, estimator, context):
        return False


def test_the_lines_of_a_long_fit_go_on_where_they_were_killed(tmp_path, monkeypatch):
    pytest.importorskip("sklearn.callback")
    monkeypatch.chdir(tmp_path)
    section = PAGE.read_text(encoding="utf-8").partition("## Long fits")[2].partition("\n## ")[0]
    [lines] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    killed, gone_on = Counter(killed_after=18), Counter()
    at_once = LSTMRegressor(dropout=0.1, max_iter=50, random_state=0).fit(X, Y)

    def run(counter):
        names = {"LSTMRegressor": LSTMRegressor, "X": X, "y": Y, "counter": counter}
        exec(lines.replace("resume=True)", "resume=True), counter"), names)
        return names["model"]

    with pytest.raises(SystemExit):
        run(killed)
    assert joblib.load("model.joblib").n_iter_ == 15
    model = run(gone_on)
    # Of the 17 epochs that had ended, two are trained a second time.
    assert gone_on.epochs == at_once.n_iter_ - 15
    assert_same_bits(model._weights, at_once._weights)
    assert_same_bits(model.loss_curve_, at_once.loss_curve_)
    assert_same_bits(joblib.load("model.joblib").predict(X), at_once.predict(X))
    # It has ended: the same lines train no more.
    assert_same_bits(run(Counter(killed_after=1))._weights, at_once._weights)


def test_a_long_fit_may_be_made_longer(tmp_path):
    pytest.importorskip("sklearn.callback")
    from sklstm.callbacks import Checkpoint

    settings = {"n_iter_no_change": np.inf, "random_state": 0}
    for max_iter in (5, 12):
        model = LSTMRegressor(max_iter=max_iter, **settings)
        model.set_callbacks(Checkpoint(tmp_path / "model.joblib", resume=True)).fit(X, Y)
    assert_same_bits(model._weights, LSTMRegressor(max_iter=12, **settings).fit(X, Y)._weights)


# --- Watching -------------------------------------------------------------------------------


def test_callbacks_watch_as_the_page_says(capsys):
    pytest.importorskip("sklearn.callback")
    pytest.importorskip("rich")
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition("## Watching")[2]
    (code,) = re.findall(r"^```python\n((?!>>>).*?)^```$", section, re.MULTILINE | re.DOTALL)
    names = {"LSTMRegressor": LSTMRegressor, "X": X, "y": Y}
    *before, last = code.strip().splitlines()
    exec("\n".join(before), names)
    table = eval(last, names)
    epochs = table[table["task_name"] == "epoch"]
    assert 10 < len(epochs) <= 200
    assert (epochs["neg_mean_absolute_error"].to_numpy() <= 0).all()
    assert "LSTMRegressor - fit" in capsys.readouterr().out


def test_a_callback_of_your_own_stops_the_fit_if_it_returns_true():
    pytest.importorskip("sklearn.callback")

    class Stop:
        epochs = 0

        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **data):
            pass

        def on_fit_task_end(self, estimator, context, **data):
            self.epochs += context.task_name == "epoch"
            return self.epochs == 3

        def teardown(self, estimator, context):
            pass

    model = LSTMRegressor().set_callbacks(Stop())
    assert model.fit(X, Y).n_iter_ == 3


# --- What cannot be promised ----------------------------------------------------------------


def test_with_early_stopping_another_part_is_held_out_once_rows_are_repeated():
    weight = np.arange(len(X)) % 3
    model = LSTMRegressor(early_stopping=True, batch_size=400, random_state=0)
    weighted = model.fit(X, Y, sample_weight=weight).predict(X)
    repeated = model.fit(np.repeat(X, weight, axis=0), np.repeat(Y, weight)).predict(X)
    assert not np.allclose(weighted, repeated, rtol=1e-3)
