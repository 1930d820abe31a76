"""Bands: several quantiles of one net, and loss='gaussian' with standard deviations."""

import copy
import pickle

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence, small_net
from problems import use_threads
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor, StreamingPredictor, TimestepTransformer
from sklstm._training.losses import LOSSES, Quantile

pytestmark = ignores_convergence
QUANTILES = [0.1, 0.5, 0.9]
BANDS = {"quantiles": {"loss": "quantile", "quantile": QUANTILES}, "gaussian": {"loss": "gaussian"}}
for_each_band = pytest.mark.parametrize("band", BANDS.values(), ids=BANDS)
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def answers(model, X):
    """All that a net says of y."""
    return model.predict(X, return_std=True) if model.loss == "gaussian" else model.predict(X)


def two_outputs(y):
    return np.column_stack([y, y**2])


# --- Shapes ---------------------------------------------------------------------------------


@for_each_dtype
@pytest.mark.parametrize("quantile", [QUANTILES, tuple(QUANTILES), np.array(QUANTILES)])
def test_several_quantiles_have_an_axis_of_their_own(X3, y, dtype, quantile):
    net, X3 = small_net(loss="quantile", quantile=quantile), X3.astype(dtype)
    one = net.fit(X3, y).predict(X3)
    assert (one.shape, one.dtype) == ((40, 3), dtype)
    assert (net.n_outputs_, net.output_bias_.shape) == (1, (3,))
    two = net.fit(X3, two_outputs(y)).predict(X3)
    assert (two.shape, two.dtype) == ((40, 2, 3), dtype)
    assert (net.n_outputs_, net.output_bias_.shape) == (2, (6,))
    assert_same_bits(net.quantile, quantile)


@pytest.mark.parametrize("quantile", [[0.3], (0.3,), np.array([0.3])])
def test_one_quantile_in_a_list_has_the_axis_too(X3, y, quantile):
    number = small_net(loss="quantile", quantile=0.3).fit(X3, y)
    in_a_list = small_net(loss="quantile", quantile=quantile).fit(X3, y)
    assert_same_bits(in_a_list.predict(X3), number.predict(X3)[:, np.newaxis])
    number.fit(X3, two_outputs(y)), in_a_list.fit(X3, two_outputs(y))
    assert_same_bits(in_a_list.predict(X3), number.predict(X3)[:, :, np.newaxis])


@for_each_dtype
def test_means_and_deviations_have_the_shape_of_y(X3, y, dtype):
    net, X3 = small_net(loss="gaussian"), X3.astype(dtype)
    for targets in (y, two_outputs(y)):
        mean, std = net.fit(X3, targets).predict(X3, return_std=True)
        assert (mean.shape, mean.dtype) == (std.shape, std.dtype) == (targets.shape, dtype)
        assert (std > 0).all()
        assert mean.flags.c_contiguous
        assert std.flags.c_contiguous
        assert net.output_bias_.size == 2 * targets[0].size
        assert_same_bits(net.predict(X3), mean)
        assert_same_bits(net.predict(X3, return_std=False), mean)


@for_each_band
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_of_each_step_answers_have_the_form_of_x(X3, band, n_outputs):
    y = X3[:, :, 0] if n_outputs == 1 else X3 + 1
    net = small_net(pooling=None, **band).fit(X3, y)
    shape = (*y.shape, 3) if band["loss"] == "quantile" else y.shape
    of_array = answers(net, X3)
    # A list of sequences of all lengths, and the same as an array with padding.
    lengths = np.arange(len(X3)) % X3.shape[1] + 1
    sequences = [x[:length] for x, length in zip(X3, lengths, strict=True)]
    padded = np.where(
        (np.arange(X3.shape[1]) < lengths[:, np.newaxis])[:, :, np.newaxis], X3, np.nan
    )
    net.fit(sequences, [each[:length] for each, length in zip(y, lengths, strict=True)])
    of_list, of_padded = answers(net, sequences), answers(net, padded)
    if band["loss"] == "quantile":
        of_array, of_list, of_padded = (of_array,), (of_list,), (of_padded,)
    for array, in_a_list, with_nan in zip(of_array, of_list, of_padded, strict=True):
        assert array.shape == with_nan.shape == shape
        assert type(in_a_list) is list
        for each, row, length in zip(in_a_list, with_nan, lengths, strict=True):
            assert_same_bits(each, row[:length])
            assert np.isnan(row[length:]).all()


def test_a_pipeline_hands_return_std_on(X3, y):
    scaler = TimestepTransformer(StandardScaler())
    mean, std = (
        make_pipeline(scaler, small_net(loss="gaussian")).fit(X3, y).predict(X3, return_std=True)
    )
    assert mean.shape == std.shape == y.shape


# --- Quantiles ------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["last", None])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_quantiles_never_cross_however_little_a_net_has_learnt(X3, pooling, n_outputs):
    y = X3[:, :, :n_outputs] if pooling is None else X3[:, -1, :n_outputs]
    y = y[..., 0] if n_outputs == 1 else y
    quantiles = np.linspace(0.05, 0.95, 19)
    net = small_net(loss="quantile", quantile=quantiles, max_iter=1, pooling=pooling).fit(X3, y)
    # What the dense layer says does cross.
    raw = net._raw_output(X3)[0].reshape(-1, n_outputs, 19)
    assert (np.diff(raw, axis=2) < 0).any()
    assert (np.diff(net.predict(X3), axis=-1) >= 0).all()


@pytest.mark.parametrize(
    "quantile",
    [
        [0.9, 0.1], [0.1, 0.1], [], [0, 0.5], [0.5, 1], [0.5, np.nan], [[0.1], [0.9]], ["0.1"],
        [0.1, None], np.array(0.5), (0.9, 0.1), [-0.1, 0.5], [[0.1, 0.2], [0.3]],
    ],
    ids=repr,
)  # fmt: skip
def test_quantiles_that_are_none_are_refused_in_a_sentence(X, y, quantile):
    net = small_net(loss="quantile", quantile=quantile)
    with pytest.raises(ValueError, match=r"^quantile must be .*in ascending order, got .*[.]$"):
        net.fit(X, y)
    assert not hasattr(net, "loss_curve_")


def test_the_outputs_of_one_net_are_the_nets_of_one_quantile_where_x_says_nothing():
    # Each bias goes its own way, and there is nothing else to learn.
    y, X = np.random.RandomState(0).exponential(size=51), np.zeros((51, 3))
    settings = {
        "loss": "quantile", "learning_rate": "cosine", "learning_rate_init": 0.03, "alpha": 0,
        "max_iter": 400, "batch_size": 51, "n_iter_no_change": np.inf, "random_state": 0,
    }  # fmt: skip
    (band,) = LSTMRegressor(2, quantile=QUANTILES, **settings).fit(X, y).predict(X[:1])
    # Of 51 numbers, each of these quantiles is one; the last steps jump to and fro at the kink.
    np.testing.assert_allclose(band, np.quantile(y, QUANTILES), atol=3e-3 * y.std())


# --- Deviations -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"gaussian"}))
def test_deviations_are_refused_of_other_losses(X, y, loss):
    net = small_net(loss=loss)
    with pytest.raises(NotFittedError):
        net.predict(X, return_std=True)
    net.fit(X, np.abs(y))
    with pytest.raises(ValueError, match=f"return_std=True wants .*'gaussian', got .*'{loss}'"):
        net.predict(X, return_std=True)
    # It is the net that has none, whatever the parameter says by now.
    net.set_params(loss="gaussian")
    with pytest.raises(ValueError, match="return_std"):
        net.predict(X, return_std=True)


def test_before_fit_there_is_nothing(X):
    with pytest.raises(NotFittedError):
        small_net(loss="gaussian").predict(X, return_std=True)


def test_where_x_says_nothing_the_gaussian_is_mean_and_deviation_of_y():
    y, X = np.random.RandomState(0).exponential(size=51), np.zeros((51, 3))
    net = LSTMRegressor(
        2, loss="gaussian", learning_rate="cosine", learning_rate_init=0.03, alpha=0, max_iter=400,
        batch_size=51, random_state=0, n_iter_no_change=np.inf,
    )  # fmt: skip
    for weight in (None, np.arange(51) % 3):
        (mean,), (std,) = net.fit(X, y, weight).predict(X[:1], return_std=True)
        expected = np.average(y, weights=weight)
        np.testing.assert_allclose(mean, expected, rtol=1e-4)
        variance = np.average((y - expected) ** 2, weights=weight)
        np.testing.assert_allclose(std, np.sqrt(variance), rtol=1e-4)


@for_each_dtype
@pytest.mark.parametrize("max_iter", [200, 1000])
@pytest.mark.parametrize("planned", [{}, {"n_iter_no_change": np.inf}])
def test_a_series_without_noise_stays_finite_on_the_defaults(dtype, max_iter, planned):
    windows = np.lib.stride_tricks.sliding_window_view(np.sin(0.3 * np.arange(150.0)), 21)
    X, y = windows[:, :20].astype(dtype), windows[:, 20].astype(dtype)
    net = LSTMRegressor(16, loss="gaussian", max_iter=max_iter, random_state=0, **planned)
    mean, std = net.fit(X, y).predict(X, return_std=True)
    assert np.isfinite(net.loss_curve_).all()
    assert 0 < std.min() <= std.max() < 0.1
    assert r2_score(y, mean) > 0.99


def test_a_constant_y_stays_finite(X):
    for solver in ("adam", "lbfgs"):
        net = small_net(loss="gaussian", solver=solver, max_iter=200, n_iter_no_change=np.inf)
        mean, std = net.fit(X, np.full(len(X), 7.0)).predict(X, return_std=True)
        np.testing.assert_allclose(mean, 7, atol=0.05)
        assert (std > 0).all()


# --- Units ----------------------------------------------------------------------------------


@for_each_band
@pytest.mark.parametrize("pooling", ["last", None])
def test_answers_are_in_the_units_of_y(X3, y, band, pooling):
    y = X3[:, :, 0] if pooling is None else y
    one, other = (small_net(pooling=pooling, **band) for _ in range(2))
    before, after = answers(one.fit(X3, y), X3), answers(other.fit(X3, 300 + 1000 * y), X3)
    # Standardised targets agree but for rounding, which three epochs hardly magnify.
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)
    if band["loss"] == "gaussian":
        (mean, std), (before, std_before) = after, before
        np.testing.assert_allclose(std, 1000 * std_before, rtol=1e-9)
        after = mean
    np.testing.assert_allclose(after, 300 + 1000 * before, rtol=1e-9)


@for_each_band
def test_without_normalize_y_too(band):
    # Of 51 numbers, each of these quantiles is one.
    X, y = np.zeros((51, 3)), 5 + 3 * np.random.RandomState(3).normal(size=51)
    net = LSTMRegressor(
        4, learning_rate="cosine", learning_rate_init=0.05, max_iter=300, normalize_y=False,
        n_iter_no_change=np.inf, random_state=0, **band,
    )  # fmt: skip
    fitted = answers(net.fit(X, y), X)
    if band["loss"] == "gaussian":
        np.testing.assert_allclose(fitted[0], y.mean(), atol=0.1)
        np.testing.assert_allclose(fitted[1], y.std(), rtol=0.05)
    else:
        expected = np.broadcast_to(np.quantile(y, QUANTILES), (51, 3))
        np.testing.assert_allclose(fitted, expected, atol=0.1)


# --- Scores ---------------------------------------------------------------------------------


def test_score_of_a_quantile_is_d2_of_the_pinball_loss(X3, y):
    weight = np.arange(1.0, 41)
    for targets in (y, two_outputs(y)):
        net = small_net(loss="quantile", quantile=0.3).fit(X3, targets)
        for weights in (None, weight):
            np.testing.assert_allclose(
                net.score(X3, targets, weights),
                d2_pinball_score(targets, net.predict(X3), alpha=0.3, sample_weight=weights),
                rtol=1e-12,
            )


def test_score_of_several_quantiles_is_the_mean(X3, y):
    weight = np.arange(1.0, 41)
    for targets in (y, two_outputs(y)):
        net = small_net(loss="quantile", quantile=QUANTILES).fit(X3, targets)
        band = net.predict(X3)
        for weights in (None, weight):
            expected = [
                d2_pinball_score(targets, band[..., n], alpha=quantile, sample_weight=weights)
                for n, quantile in enumerate(QUANTILES)
            ]
            score = net.score(X3, targets, weights)
            assert type(score) is float
            np.testing.assert_allclose(score, np.mean(expected), rtol=1e-12)


@for_each_band
def test_score_of_each_step_takes_labelled_steps_as_samples(X3, band):
    y = X3[:, :, 0] ** 2
    net = small_net(pooling=None, **band).fit(X3, y)
    y[3, 2:] = np.nan
    weight = np.arange(1.0, 41)
    labelled, of_steps = ~np.isnan(y), np.repeat(weight[:, np.newaxis], 6, axis=1)
    predicted, weights = net.predict(X3)[labelled], of_steps[labelled]
    if band["loss"] == "gaussian":
        expected = r2_score(y[labelled], predicted, sample_weight=weights)
    else:
        expected = np.mean([
            d2_pinball_score(y[labelled], predicted[:, n], alpha=q, sample_weight=weights)
            for n, q in enumerate(QUANTILES)
        ])  # fmt: skip
    np.testing.assert_allclose(net.score(X3, y, weight), expected, rtol=1e-12)


def test_score_of_the_gaussian_is_r2_of_its_means(X3, y):
    net = small_net(loss="gaussian").fit(X3, y)
    np.testing.assert_allclose(net.score(X3, y), r2_score(y, net.predict(X3)), rtol=1e-12)


@for_each_band
def test_validation_scores_are_minus_the_mean_loss_of_standardised_targets(X3, y, band):
    held_out = slice(-8, None)
    net = small_net(early_stopping=True, validation_fraction=0.2, shuffle=False, **band)
    net.fit(X3, y)
    y, deviation = y[held_out], y[: held_out.start].std()
    if band["loss"] == "gaussian":
        mean, std = net.predict(X3[held_out], return_std=True)
        loss = np.mean(np.log(std / deviation) + 0.5 * ((y - mean) / std) ** 2)
    else:
        # As the net says them: they do cross after three epochs.
        factor, shift = net._target_deviation, net._target_mean
        raw = net._raw_output(X3[held_out])[0]
        assert np.isclose(factor, deviation)
        loss = np.mean([
            mean_pinball_loss((y - shift) / factor, (raw[:, n] - shift) / factor, alpha=q)
            for n, q in enumerate(QUANTILES)
        ])  # fmt: skip
    np.testing.assert_allclose(net.best_validation_score_, -loss, rtol=1e-9)
    # It is the loss that is minimised, so the curve of one is that of the other.
    np.testing.assert_array_equal(net.validation_loss_curve_, np.negative(net.validation_scores_))


@for_each_band
def test_validation_data_may_be_given(X3, y, band):
    given = small_net(**band).fit(X3[:32], y[:32], X_val=X3[32:], y_val=y[32:])
    held_out = small_net(early_stopping=True, validation_fraction=0.2, shuffle=False, **band)
    held_out.fit(X3, y)
    assert len(given.validation_scores_) == 3
    # One shuffles what it trains on, and the other does not.
    assert given.validation_scores_ != held_out.validation_scores_
    given.set_params(shuffle=False).fit(X3[:32], y[:32], X_val=X3[32:], y_val=y[32:])
    np.testing.assert_allclose(given.validation_scores_, held_out.validation_scores_, rtol=1e-12)
    with pytest.raises(ValueError, match="y_val has 2 outputs"):
        small_net(**band).fit(X3[:32], y[:32], X_val=X3[32:], y_val=two_outputs(y[32:]))


# --- Going on -------------------------------------------------------------------------------


def going_on(net, X, y, call):
    if call == "fit":
        net.set_params(warm_start=True)
    return getattr(net, call)(X, y)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (BANDS["quantiles"], {"quantile": [0.1, 0.9]}, "quantile=.0.1, 0.9. .was .*0.1, 0.5, 0.9"),
        (BANDS["quantiles"], {"quantile": 0.5}, "quantile=0.5 .was .*0.1, 0.5, 0.9"),
        ({"loss": "quantile", "quantile": 0.5}, {"quantile": [0.5]}, "quantile=.0.5. .was 0.5"),
        (BANDS["quantiles"], {"loss": "gaussian"}, "loss='gaussian' .was 'quantile'"),
        (BANDS["quantiles"], {"loss": "squared_error"}, "loss='squared_error' .was 'quantile'"),
        (BANDS["gaussian"], {"loss": "squared_error"}, "loss='squared_error' .was 'gaussian'"),
        ({"loss": "squared_error"}, BANDS["gaussian"], "loss='gaussian' .was 'squared_error'"),
        ({"loss": "poisson"}, BANDS["gaussian"], "loss='gaussian' .was 'poisson'"),
        (BANDS["gaussian"], BANDS["quantiles"], "loss='quantile' .was 'gaussian'"),
        (BANDS["gaussian"], {"loss": "quantile", "quantile": [0.1, 0.9]}, "loss='quantile'"),
    ],
)
def test_what_outputs_mean_cannot_change(X3, y, call, before, after, named):
    y = np.abs(y)
    net = small_net(**before).fit(X3, y)
    whole = answers(net, X3)
    net.set_params(**after)
    state = copy.deepcopy(vars(net))
    with pytest.raises(ValueError, match=f"continues the fitted net, but got {named}.*[.]$"):
        going_on(net, X3, y, call)
    state["warm_start"] = call == "fit"
    assert_same_bits(vars(net), state)
    net.set_params(**before)
    assert_same_bits(answers(net, X3), whole)


@for_each_band
@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_outputs_are_counted_as_users_do(X3, y, band, call):
    net = small_net(**band).fit(X3, y)
    with pytest.raises(ValueError, match=r"got n_outputs=2 \(was 1\)"):
        going_on(net, X3, two_outputs(y), call)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_a_quantile_may_move(call):
    X3, y = np.zeros((40, 6, 2)), np.random.RandomState(0).normal(size=40)
    for first, second in ((0.5, 0.9), ([0.1, 0.5], [0.2, 0.95])):
        net = small_net(loss="quantile", quantile=first, learning_rate_init=0.03).fit(X3, y)
        before = net.predict(X3)
        net.set_params(quantile=second)
        # Predictions and scores stay those of the fit.
        assert_same_bits(net.predict(X3), before)
        for _ in range(30):
            going_on(net, X3, y, call)
        assert np.max(net.predict(X3)[0]) > np.max(before[0]) + 0.3
        if second == 0.9:
            expected = d2_pinball_score(y, net.predict(X3), alpha=0.9)
            np.testing.assert_allclose(net.score(X3, y), expected)


@pytest.mark.parametrize("call", ["fit", "partial_fit"])
def test_one_number_a_target_may_go_on_with_a_loss_of_the_same_kind(X3, y, call):
    net = small_net(loss="squared_error").fit(X3, y)
    assert net.score(X3, y) == r2_score(y, net.predict(X3))
    going_on(net.set_params(loss="quantile", quantile=0.9), X3, y, call)
    assert net.predict(X3).shape == y.shape
    # The last loss is the one that predictions are scored by.
    assert net.score(X3, y) == d2_pinball_score(y, net.predict(X3), alpha=0.9)


@for_each_band
def test_parameters_set_after_a_fit_do_not_change_predictions_or_scores(X3, y, band):
    net = small_net(**band).fit(X3, y)
    before, score = net.predict(X3), net.score(X3, y)
    others = [{"quantile": 0.5}, {"quantile": [0.2, 0.4]}, {"loss": "poisson"}, {"huber_delta": 9}]
    for other in others:
        net.set_params(**other)
        assert_same_bits(net.predict(X3), before)
        assert net.score(X3, y) == score


@for_each_band
def test_two_halves_are_a_whole(X3, y, band):
    planned = {"shuffle": False, "n_iter_no_change": np.inf, **band}
    half = small_net(max_iter=3, warm_start=True, **planned).fit(X3, y).fit(X3, y)
    assert_same_bits(half._weights, small_net(max_iter=6, **planned).fit(X3, y)._weights)


# --- Fits -----------------------------------------------------------------------------------


@for_each_band
@for_each_dtype
@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "rmsprop", "lbfgs"])
def test_every_solver_lowers_the_loss(X3, y, band, dtype, solver):
    net = small_net(solver=solver, max_iter=20, **band).fit(X3.astype(dtype), y)
    assert net.loss_curve_[-1] < net.loss_curve_[0] - 0.05
    assert net._weights.dtype == dtype


@for_each_band
def test_a_weight_counts_as_repetition(X3, y, band):
    weight = np.arange(40) % 3
    settings = {"batch_size": 200, "shuffle": False, "max_iter": 20, **band}
    weighted = small_net(**settings).fit(X3, y, weight)
    repeated = small_net(**settings).fit(np.repeat(X3, weight, axis=0), np.repeat(y, weight))
    # Sums are taken in another order.
    np.testing.assert_allclose(answers(weighted, X3), answers(repeated, X3), rtol=1e-7)
    # A row without a weight may say anything.
    absurd = np.where(weight == 0, 1e30, y)
    assert_same_bits(small_net(**settings).fit(X3, absurd, weight)._weights, weighted._weights)


@for_each_band
def test_clones_and_pickles_are_the_same(X3, y, band):
    net = small_net(**band).fit(X3, y)
    expected = answers(net, X3)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), clone(net).fit(X3, y)):
        assert_same_bits(answers(other, X3), expected)
    assert clone(net).get_params()["quantile"] == net.quantile


def test_a_search_goes_over_losses_and_over_lists(X3, y):
    grid = [
        {"loss": ["squared_error", "gaussian"]},
        {"loss": ["quantile"], "quantile": [0.5, [0.1, 0.9], QUANTILES]},
    ]
    search = GridSearchCV(small_net(), grid, cv=2, error_score="raise").fit(X3, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    bands = cross_val_predict(small_net(**BANDS["quantiles"]), X3, y, cv=4)
    assert bands.shape == (40, 3)
    assert (np.diff(bands, axis=1) >= 0).all()


# --- Bits -----------------------------------------------------------------------------------


@for_each_band
@for_each_dtype
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_the_same_bits_alone_in_a_batch_with_more_threads_and_again(
    X3, y, monkeypatch, band, dtype, n_outputs
):
    X3, y = X3.astype(dtype), y if n_outputs == 1 else two_outputs(y)
    net = small_net(hidden_layer_sizes=(17, 5), **band).fit(X3, y)
    whole = answers(net, X3)
    for row in (0, 7, 39):
        alone, of_row = answers(net, X3[row : row + 1]), np.index_exp[row : row + 1]
        expected = tuple(each[of_row] for each in whole) if type(whole) is tuple else whole[of_row]
        assert_same_bits(alone, expected)
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        assert_same_bits(answers(net, X3), whole)
        assert_same_bits(clone(net).fit(X3, y)._weights, net._weights)


@for_each_band
@for_each_dtype
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_stream_has_the_bits_of_the_whole_past(X3, y, band, dtype, n_outputs, pooling):
    X3, y = X3.astype(dtype), y if n_outputs == 1 else two_outputs(y)
    lengths = np.arange(40) % 6 + 1
    net = small_net(pooling=pooling, **band)
    net.fit([x[:length] for x, length in zip(X3, lengths, strict=True)], y)
    stream = StreamingPredictor(net, n_series=5)
    for t in range(6):
        assert_same_bits(stream.predict(X3[:5, t]), net.predict(X3[:5, : t + 1]))


# --- What others build on -------------------------------------------------------------------


def test_a_loss_of_ones_own_reads_any_parameter_before_and_after_the_fit(monkeypatch, X, y):
    class Shifted(Quantile):
        def __init__(self, alpha):
            super().__init__(0.5)
            self.shift = alpha

        def inverse_link(self, raw):
            return raw + self.shift

    monkeypatch.setitem(LOSSES, "quantile", lambda estimator: Shifted(estimator.alpha))
    net = small_net(loss="quantile", alpha=0.25).fit(X, y)
    before = net.predict(X)
    np.testing.assert_allclose(net.set_params(alpha=1.25).predict(X), before + 1)
