"""What docs/user_guide/how_sure.md promises, of estimators as users construct them."""

import functools
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ignores_convergence
from scipy.stats import norm
from sklearn import metrics
from sklearn.datasets import make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import estimator_checks

from sklstm import LSTMRegressor

pytestmark = ignores_convergence
PAGE = (Path(__file__).parents[1] / "docs" / "user_guide" / "how_sure.md").read_text("utf-8")
QUANTILES = [0.1, 0.5, 0.9]
QUICK = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0}


def windows(n, seed, n_steps=20):
    """Windows of a series whose noise grows with its level, what follows, and the level of that."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 2 * np.pi, size=(n, 1))
    level = 3 + 2 * np.sin(start + np.arange(n_steps + 1) / 5)
    series = level * (1 + 0.2 * rng.normal(size=level.shape))
    return series[:, :n_steps].astype(np.float32), series[:, n_steps], level[:, n_steps]


X, Y, _ = windows(200, seed=0)


def table(title):
    """The cells of a table of the page, without its head."""
    part = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [row.strip("| ").split(" | ") for row in part.splitlines() if row.startswith("| ")]
    return rows[2:]


# --- Several quantiles ----------------------------------------------------------------------


def test_the_table_of_shapes():
    sizes = {"n_samples": 200, "n_timesteps": 20, "n_outputs": 2}
    rows = table("Several quantiles")
    assert len(rows) == 4
    for parameters, of_y, of_prediction in rows:
        quantile = eval(re.match(r"`([^`]+)`", parameters)[1])
        pooling = None if "`pooling=None`" in parameters else "last"
        y = np.random.RandomState(0).normal(size=eval(of_y, sizes))
        net = LSTMRegressor(loss="quantile", quantile=quantile, pooling=pooling, **QUICK)
        assert net.fit(X, y).predict(X).shape == eval(of_prediction, sizes)


# --- Mean and deviation ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_gaussian_net_learns_means_more_slowly():
    # The problem of check_regressors_train.
    X, y = make_regression(
        n_samples=200, n_features=10, n_informative=1, bias=5.0, noise=20, random_state=42
    )
    X, y = (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()
    patient = {"loss": "gaussian", "max_iter": 400, "n_iter_no_change": np.inf}
    squared, gaussian, longer = (
        [LSTMRegressor(**parameters, random_state=seed).fit(X, y) for seed in range(5)]
        for parameters in ({}, {"loss": "gaussian"}, patient)
    )
    assert '0.95 (0.94 to 0.97) with `"squared_error"` and 0.57 (0.47 to 0.63) with' in PAGE
    assert "after 400 epochs 0.78 (0.74 to 0.84): medians and ranges of seeds 0\nto 4" in PAGE
    # On another processor a net is rounded otherwise, and patience may end a few epochs away.
    for nets, shown, tolerance in (
        (squared, 0.95, 0.02),
        (gaussian, 0.57, 0.1),
        (longer, 0.78, 0.1),
    ):
        assert np.median([net.score(X, y) for net in nets]) == pytest.approx(shown, abs=tolerance)
    assert max(net.n_iter_ for net in gaussian) < 200


def test_with_sgd_clipping_keeps_a_gaussian_net_on_its_way():
    sines = np.lib.stride_tricks.sliding_window_view(np.sin(0.3 * np.arange(150.0)), 21)
    # Unclipped, the loss jumps, and which epoch is low depends on the last bit of a weight: so the
    # middle of the last 200 epochs.
    free, clipped = (
        np.median(
            LSTMRegressor(
                16, loss="gaussian", solver="sgd", learning_rate_init=0.01, max_iter=1000,
                n_iter_no_change=np.inf, max_grad_norm=norm, random_state=0,
            ).fit(sines[:, :20], sines[:, 20]).loss_curve_[-200:]
        )
        for norm in (None, 1)
    )  # fmt: skip
    assert clipped < -3
    assert free > clipped + 3


# --- Scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_metrics_refuse_an_axis_of_quantiles(n_outputs):
    y = Y if n_outputs == 1 else np.column_stack([Y, 2 * Y, 3 * Y])
    net = LSTMRegressor(loss="quantile", quantile=QUANTILES, **QUICK).fit(X, y)
    band = net.predict(X)
    for metric in (
        metrics.mean_absolute_error,
        metrics.mean_pinball_loss,
        metrics.d2_pinball_score,
    ):
        with pytest.raises(ValueError, match=r"number of output|dim"):
            metric(y, band)


def test_a_search_turns_that_into_nan_and_a_warning():
    net = LSTMRegressor(loss="quantile", quantile=QUANTILES, **QUICK)
    with pytest.warns(UserWarning, match="Scoring failed"):
        scores = cross_val_score(net, X, Y, cv=2, scoring="neg_mean_absolute_error")
    assert np.isnan(scores).all()


def test_the_way_round_of_the_table():
    rows = [row for row in table("Scores") if row[1].startswith("`make_scorer")]
    assert len(rows) == 2
    net = LSTMRegressor(loss="quantile", quantile=QUANTILES, **QUICK)
    known = {
        "make_scorer": metrics.make_scorer,
        "d2_pinball_score": metrics.d2_pinball_score,
        "np": np,
    }
    of_one, of_band = (eval(row[1].strip("`"), known) for row in rows)
    search = GridSearchCV(
        net, {"learning_rate_init": [0.003, 0.03]}, cv=2, refit="of_one", error_score="raise",
        scoring={"of_one": of_one, "of_band": of_band},
    ).fit(X, Y)  # fmt: skip
    band = search.predict(X)
    assert of_one(search.best_estimator_, X, Y) == metrics.d2_pinball_score(
        Y, band[:, 2], alpha=0.9
    )
    assert (search.cv_results_["mean_test_of_band"] >= 0).all()


def test_the_own_score_compares_with_the_quantile_of_y():
    net = LSTMRegressor(loss="quantile", quantile=QUANTILES, **QUICK).fit(X, Y)
    band, saved = net.predict(X), []
    for n, quantile in enumerate(QUANTILES):
        always = np.full(len(Y), np.percentile(Y, 100 * quantile))
        losses = [metrics.mean_pinball_loss(Y, p, alpha=quantile) for p in (band[:, n], always)]
        saved.append(1 - losses[0] / losses[1])
    np.testing.assert_allclose(net.score(X, Y), np.mean(saved), rtol=1e-9)


# --- check_estimator ------------------------------------------------------------------------


def test_two_checks_of_scikit_learn_want_predictions_of_the_shape_of_y():
    net = LSTMRegressor(loss="quantile", quantile=[0.1, 0.9], max_iter=5)
    for name in ("check_regressors_train", "check_regressor_multioutput"):
        assert f"`{name}`" in PAGE
        with pytest.raises(AssertionError):
            getattr(estimator_checks, name)("LSTMRegressor", net)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameters", "failing"),
    [
        (
            {"loss": "quantile", "quantile": [0.1, 0.9]},
            {"check_regressors_train", "check_regressor_multioutput"},
        ),
        ({"loss": "gaussian"}, {"check_regressors_train"}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_all_other_checks_pass(parameters, failing):
    net = LSTMRegressor(**parameters)
    found = estimator_checks.check_estimator(net, on_fail=None, on_skip=None)
    assert {each["check_name"] for each in found if each["status"] == "failed"} == failing


# --- Does the band hold? --------------------------------------------------------------------

CALIBRATED = {
    "hidden_layer_sizes": 32, "learning_rate": "cosine", "learning_rate_init": 0.005,
    "max_iter": 30, "n_iter_no_change": np.inf,
}  # fmt: skip
for_each_seed = pytest.mark.parametrize("seed", range(5))


@pytest.fixture(name="data", scope="module")
def windows_to_learn_from_and_fresh_ones():
    return *windows(10_000, seed=0), *windows(20_000, seed=1)


@pytest.fixture(name="band_of", scope="module")
def bands_of_nets(data):
    """The band on the fresh windows of a net of three quantiles, fitted once for each seed."""
    X, y, _, X_new, _, _ = data

    @functools.cache
    def band_of(seed):
        net = LSTMRegressor(loss="quantile", quantile=QUANTILES, random_state=seed, **CALIBRATED)
        return net.fit(X, y).predict(X_new)

    return band_of


def share_of(low, high, y):
    return np.mean((low <= y) & (y <= high))


@pytest.mark.slow
@for_each_seed
def test_a_band_of_quantiles_holds_what_it_should_on_fresh_samples(data, band_of, seed):
    *_, y_new, level = data
    band = band_of(seed)
    assert 0.78 < share_of(band[:, 0], band[:, 2], y_new) < 0.82
    # Which is wide where the noise is.
    assert np.corrcoef(band[:, 2] - band[:, 0], level)[0, 1] > 0.9


@pytest.mark.slow
def test_one_net_for_three_quantiles_is_as_good_as_three_nets(data, band_of):
    X, y, _, X_new, y_new, _ = data
    losses = {"one": [], "three": []}
    for seed in range(5):
        band = band_of(seed)
        for n, quantile in enumerate(QUANTILES):
            net = LSTMRegressor(loss="quantile", quantile=quantile, random_state=seed, **CALIBRATED)
            alone = net.fit(X, y).predict(X_new)
            losses["one"].append(metrics.mean_pinball_loss(y_new, band[:, n], alpha=quantile))
            losses["three"].append(metrics.mean_pinball_loss(y_new, alone, alpha=quantile))
    assert "and is as good as three nets" in " ".join(PAGE.split())
    assert abs(np.mean(losses["one"]) / np.mean(losses["three"]) - 1) < 0.005


@pytest.mark.slow
@for_each_seed
def test_a_band_of_deviations_holds_what_it_should_on_fresh_samples(data, seed):
    X, y, _, X_new, y_new, level = data
    net = LSTMRegressor(loss="gaussian", random_state=seed, **CALIBRATED).fit(X, y)
    mean, std = net.predict(X_new, return_std=True)
    far = norm.ppf(0.9) * std
    assert 0.78 < share_of(mean - far, mean + far, y_new) < 0.82
    assert np.corrcoef(std, level)[0, 1] > 0.9
