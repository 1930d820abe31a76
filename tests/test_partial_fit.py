"""Training that goes on: partial_fit over a stream of chunks, and warm_start."""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from conftest import ENDLESS, assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.neural_network import MLPRegressor

import sklstm._base
from sklstm._training.optimizers import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

for_each_solver = pytest.mark.parametrize("solver", list(OPTIMIZERS))
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

IN_ORDER = {"shuffle": False, "n_iter_no_change": 1000}
AS_THEY_ARE = {"normalize_X": False, "normalize_y": False}


def assert_same_training(one, other):
    """Weights, histories and the state that the next step depends on are the same bits."""
    assert_same_bits(weights(one), weights(other))
    for name in ("_scaled_weights", "_memory", "_steps", "t_", "loss_curve_", "n_iter_", "loss_"):
        assert_same_bits(getattr(one, name), getattr(other, name))


# --- A stream of chunks ---------------------------------------------------------------------


@for_each_dtype
@for_each_solver
def test_chunks_in_order_are_an_epoch_of_such_minibatches(X, y, solver, dtype):
    X = X.astype(dtype)
    settings = {"solver": solver, "max_iter": 1, **AS_THEY_ARE, **IN_ORDER}
    whole = small_net(batch_size=8, **settings).fit(X, y)
    streamed = small_net(batch_size=8, **settings)
    for start in range(0, len(X), 8):
        streamed.partial_fit(X[start : start + 8], y[start : start + 8])
    assert_same_bits(weights(streamed), weights(whole))
    assert streamed.t_ == whole.t_ == len(X)
    # Each chunk is one pass, each with a loss of its own.
    assert streamed.n_iter_ == len(streamed.loss_curve_) == 5
    np.testing.assert_allclose(np.mean(streamed.loss_curve_), whole.loss_, rtol=1e-6)


@for_each_solver
@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_passes_over_the_same_rows_are_the_epochs_of_a_fit(X, y, solver, schedule):
    settings = {"solver": solver, "learning_rate": schedule, **IN_ORDER}
    streamed = small_net(**settings)
    for _ in range(4):
        assert streamed.partial_fit(X, y) is streamed
    assert_same_training(streamed, small_net(max_iter=4, **settings).fit(X, y))


def test_a_pass_splits_a_chunk_into_minibatches(X, y):
    assert small_net(batch_size=16).partial_fit(X, y)._steps == 3
    assert small_net(batch_size=1000).partial_fit(X, y)._steps == 1


def test_partial_fit_goes_on_from_a_fit(X, y):
    fitted = small_net(max_iter=2, **IN_ORDER).fit(X, y).partial_fit(X, y)
    assert_same_training(fitted, small_net(max_iter=3, **IN_ORDER).fit(X, y))


def test_fit_after_partial_fit_begins_anew(X, y):
    model = small_net().partial_fit(X[:9], 100 * y[:9])
    assert_same_bits(vars(model.fit(X, y)), vars(small_net().fit(X, y)))


def test_a_stream_learns(X3):
    rng = np.random.RandomState(0)
    model = small_net(learning_rate_init=0.02)
    for _ in range(150):
        X = rng.normal(size=(32, 4, 1))
        model.partial_fit(X, X[:, -1, 0])
    X = rng.normal(size=(200, 4, 1))
    assert model.score(X, X[:, -1, 0]) > 0.9


def test_sample_weights_of_a_chunk_count(X, y):
    weight = np.arange(len(y)) % 3
    settings = {"batch_size": 64, "normalize_y": False, "alpha": 0.1, **IN_ORDER}
    weighted, repeated = small_net(**settings), small_net(**settings)
    for _ in range(3):
        weighted.partial_fit(X, y, sample_weight=weight)
        repeated.partial_fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    # Sums run in another order.
    np.testing.assert_allclose(weights(weighted), weights(repeated), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_stream_goes_on_in_another_process(X, y, dropout):
    here = small_net(solver="rmsprop", dropout=dropout).partial_fit(X, y)
    there = pickle.loads(pickle.dumps(here))
    assert_same_training(there.partial_fit(X, y), here.partial_fit(X, y))


# --- The first chunk fixes ------------------------------------------------------------------


def test_the_first_chunk_fixes_the_scale_of_the_targets(X, y):
    first, later = 50 + 3 * y[:20], 200 + 10 * y[20:]
    model = small_net(alpha=0).partial_fit(X[:20], first).partial_fit(X[20:], later)
    mean, deviation = first.mean(), first.std()
    by_hand = small_net(alpha=0, normalize_y=False)
    by_hand.partial_fit(X[:20], (first - mean) / deviation)
    by_hand.partial_fit(X[20:], (later - mean) / deviation)
    np.testing.assert_allclose(model.predict(X), mean + deviation * by_hand.predict(X), rtol=1e-12)


def test_the_first_chunk_fixes_the_number_of_outputs(X, y):
    model = small_net().partial_fit(X, np.c_[y, -y])
    assert model.n_outputs_ == 2
    with pytest.raises(ValueError, match=r"n_outputs=1 \(was 2\)"):
        model.partial_fit(X, y)


def test_later_counts_may_all_be_zero(X):
    # An hour without events is data too.
    model = small_net(loss="poisson").partial_fit(X, np.arange(len(X)))
    before = model.predict(X[:5]).mean()
    for _ in range(3):
        model.partial_fit(X[:5], np.zeros(5))
    assert model.predict(X[:5]).mean() < before


OTHER_SHAPES = {
    "outputs": lambda X3, y: (X3, np.c_[y, y]),
    "features": lambda X3, y: (X3[:, :, :1], y),
    "timesteps": lambda X3, y: (X3[:, 1:], y),
    "columns": lambda X3, y: (X3.reshape(len(X3), -1)[:, :-1], y),
    "rows": lambda X3, y: (X3, y[:-1]),
    "NaN": lambda X3, y: (X3, np.r_[np.nan, y[1:]]),
    "no rows": lambda X3, y: (X3[:0], y[:0]),
}


@pytest.mark.parametrize("change", OTHER_SHAPES.values(), ids=OTHER_SHAPES)
def test_a_later_chunk_of_another_shape_is_refused_and_the_model_left_as_it_was(X3, y, change):
    model = small_net().partial_fit(X3, y)
    before, prediction = copy.deepcopy(vars(model)), model.predict(X3)
    with pytest.raises(ValueError):  # noqa: PT011 -- one message each
        model.partial_fit(*change(X3, y))
    assert_same_bits(vars(model), before)
    assert_same_bits(model.predict(X3), prediction)
    # The stream goes on as if nothing had happened.
    model.partial_fit(X3, y)
    assert_same_training(model, small_net().partial_fit(X3, y).partial_fit(X3, y))


CHANGES = {
    "hidden_layer_sizes": {"hidden_layer_sizes": (4, 4)},
    "bidirectional": {"bidirectional": True},
    "pooling": {"pooling": "mean"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_parameters_that_shape_the_net_cannot_change(X, y, change):
    [name] = change
    streamed = small_net().partial_fit(X, y).set_params(**change)
    with pytest.raises(ValueError, match=f"partial_fit continues the fitted net, but got {name}="):
        streamed.partial_fit(X, y)
    warm = small_net(warm_start=True).fit(X, y).set_params(**change)
    before = dict(vars(warm))
    with pytest.raises(ValueError, match=f"warm_start=True continues .*, but got {name}="):
        warm.fit(X, y)
    assert_same_bits(vars(warm), before)


def test_bad_data_in_the_first_chunk_leave_the_model_unfitted(X, y):
    model = small_net()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.partial_fit(X, y[:-1])
    assert_same_bits(vars(model), vars(clone(model)))


# --- As MLPRegressor ------------------------------------------------------------------------


def test_partial_fit_refuses_early_stopping_as_mlp_regressor(X, y):
    messages = []
    for model in (small_net(early_stopping=True), MLPRegressor(early_stopping=True)):
        with pytest.raises(ValueError, match="early_stopping") as raised:
            model.partial_fit(X, y)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(small_net(solver="lbfgs"), "partial_fit")
    assert hasattr(small_net(), "partial_fit")


def test_partial_fit_neither_prints_nor_warns_of_convergence(X, y, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_net(max_iter=1).partial_fit(X, y).partial_fit(X, y)
    assert capfd.readouterr() == ("", "")


# --- warm_start -----------------------------------------------------------------------------


@for_each_dtype
@for_each_solver
def test_50_and_50_epochs_are_100_bit_for_bit(X, y, solver, dtype):
    X = X.astype(dtype)
    settings = {"solver": solver, **IN_ORDER}
    warm = small_net(max_iter=50, warm_start=True, **settings).fit(X, y)
    half_way = list(warm.loss_curve_)
    warm.fit(X, y)
    whole = small_net(max_iter=100, **settings).fit(X, y)
    assert_same_training(warm, whole)
    assert len(whole.loss_curve_) == 100
    assert_same_bits(whole.loss_curve_[:50], half_way)
    assert_same_bits(warm.predict(X), whole.predict(X))


CONTINUED = {
    "invscaling": {"learning_rate": "invscaling"},
    "several layers": {"hidden_layer_sizes": (3, 2), "bidirectional": True, "pooling": "mean"},
    "poisson": {"loss": "poisson"},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "penalty and clipping": {"alpha": 1.0, "max_grad_norm": 0.1},
    "units of y": {"normalize_y": False},
}


@pytest.mark.parametrize("parameters", CONTINUED.values(), ids=CONTINUED)
def test_more_epochs_continue_where_the_earlier_fit_stopped(X, y, parameters):
    y = np.abs(y)
    settings = {**IN_ORDER, **parameters}
    warm = small_net(max_iter=3, warm_start=True, **settings)
    for _ in range(3):
        warm.fit(X, y)
    assert_same_training(warm, small_net(max_iter=9, **settings).fit(X, y))


def test_sample_weights_continue_too(X, y):
    weight = np.random.RandomState(0).uniform(size=len(y))
    warm = small_net(max_iter=3, warm_start=True, **IN_ORDER)
    warm.fit(X, y, sample_weight=weight).fit(X, y, sample_weight=weight)
    whole = small_net(max_iter=6, **IN_ORDER).fit(X, y, sample_weight=weight)
    assert_same_training(warm, whole)


def test_a_warm_start_keeps_the_scale_of_the_targets(X, y):
    first, later = 50 + 3 * y, 200 + 10 * y
    model = small_net(alpha=0, warm_start=True).fit(X, first).fit(X, later)
    mean, deviation = first.mean(), first.std()
    by_hand = small_net(alpha=0, warm_start=True, normalize_y=False)
    by_hand.fit(X, (first - mean) / deviation).fit(X, (later - mean) / deviation)
    np.testing.assert_allclose(model.predict(X), mean + deviation * by_hand.predict(X), rtol=1e-12)


def test_a_warm_start_may_change_the_solver_and_its_settings(X, y):
    model = small_net(warm_start=True).fit(X, y)
    for parameters in ({"solver": "sgd"}, {"batch_size": 7}, {"alpha": 1.0}, {"solver": "adamw"}):
        model.set_params(**parameters).fit(X, y)
    assert len(model.loss_curve_) == 15
    assert np.isfinite(model.loss_curve_).all()


@for_each_dtype
def test_a_warm_start_may_change_the_dtype(X, y, dtype):
    other = np.float64 if dtype == np.float32 else np.float32
    model = small_net(warm_start=True).fit(X.astype(other), y).fit(X.astype(dtype), y)
    assert model.input_weights_[0].dtype == dtype
    assert model.predict(X.astype(dtype)).dtype == dtype


def test_without_warm_start_a_fit_begins_anew(X, y):
    model = small_net().fit(X, y)
    first = copy.deepcopy(vars(model))
    assert_same_bits(vars(model.fit(X, y)), first)


def test_a_warm_start_waits_with_new_patience(X, y):
    # Even where nothing improves, a second fit runs as long as the first one did.
    model = small_net(warm_start=True, tol=10, n_iter_no_change=2, max_iter=50).fit(X, y)
    assert model.n_iter_ == 4
    assert model.fit(X, y).n_iter_ == 8


def test_a_warm_start_validates_on_the_rows_that_were_held_out_before(X, monkeypatch):
    # Else it validates on rows that it has learned.
    held_out, train = [], sklstm._base.train

    def recording_train(*, validation, **rest):
        held_out.append(set(validation.rows))
        return train(validation=validation, **rest)

    monkeypatch.setattr(sklstm._base, "train", recording_train)
    order = np.arange(len(X), dtype=float)
    model = small_net(warm_start=True, early_stopping=True, max_iter=1, normalize_y=False)
    model.fit(X, order).fit(X, order)
    assert held_out[0] == held_out[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("architecture", [{}, {"hidden_layer_sizes": (4, 3), "pooling": "mean"}])
def test_fifty_and_fifty_epochs_are_one_hundred_bit_for_bit(X, y, dtype, architecture):
    X, y = X.astype(dtype), 1e3 + 20 * y
    settings = {"shuffle": False, "warm_start": True, **ENDLESS, **architecture}
    twice = small_net(max_iter=50, **settings).fit(X, y).fit(X, y)
    once = small_net(max_iter=100, **settings).fit(X, y)
    assert once.n_iter_ == len(once.loss_curve_) == 100
    assert_same_bits(vars(twice.set_params(max_iter=100)), vars(once))
    assert_same_bits(twice.predict(X), once.predict(X))


def test_warm_start_goes_on_and_a_cold_one_starts_again(X, y):
    model = small_net(max_iter=20, shuffle=False, **ENDLESS).fit(X, y)
    first = model.loss_curve_
    assert_same_bits(model.fit(X, y).loss_curve_, first)
    model.set_params(warm_start=True).fit(X, y)
    assert_same_bits(model.loss_curve_[:20], first)
    assert model.n_iter_ == len(model.loss_curve_) == 40
    assert model.loss_curve_[20] < first[-1]


def test_warm_start_may_go_on_in_another_precision(X, y):
    model = small_net(warm_start=True).fit(X, y)
    single = copy.deepcopy(model).fit(X.astype(np.float32), y)
    assert weights(single).dtype == np.float32
    # Six epochs in, only the second three of them in float32.
    assert_allclose(weights(single), weights(model.fit(X, y)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "was"),
    [
        ("hidden_layer_sizes", (8,), (4,)),
        ("hidden_layer_sizes", (4, 4), (4,)),
        ("bidirectional", True, False),
        ("pooling", "mean", "last"),
    ],
)
def test_warm_start_refuses_another_architecture(X, y, name, value, was):
    model = small_net(warm_start=True).fit(X, y).set_params(**{name: value})
    before = copy.deepcopy(vars(model))
    wanted = f"warm_start=True .* got {name}={value!r} (was {was!r})"
    with pytest.raises(ValueError, match=re.escape(wanted).replace(r"\.\*", ".*")):
        model.fit(X, y)
    assert_same_bits(vars(model), before)


def test_warm_start_refuses_other_features_or_outputs(X3, y):
    model = small_net(warm_start=True).fit(X3, y)
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match=r"warm_start=True .* n_features=1 \(was 2\)"):
        model.fit(X3[:, :, :1], y)
    with pytest.raises(ValueError, match=r"warm_start=True .* n_outputs=2 \(was 1\)"):
        model.fit(X3, np.column_stack([y, y]))
    assert_same_bits(vars(model), before)


def test_without_warm_start_any_architecture_may_follow(X, X3, y):
    model = small_net().fit(X, y).set_params(hidden_layer_sizes=(3, 2), bidirectional=True)
    after = model.fit(X3, np.column_stack([y, y]))
    fresh = small_net(hidden_layer_sizes=(3, 2), bidirectional=True)
    assert_same_bits(vars(after), vars(fresh.fit(X3, np.column_stack([y, y]))))


# --- Other losses ---------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [("squared_error", "poisson"), ("poisson", "huber")])
def test_a_loss_with_other_targets_is_refused(X, first, then):
    counts = np.arange(len(X), dtype=float)
    model = small_net(loss=first, warm_start=True).fit(X, counts)
    model.set_params(loss=then)
    with pytest.raises(ValueError, match=f"got loss='{then}' \\(was '{first}'\\)"):
        model.partial_fit(X, counts)
    with pytest.raises(ValueError, match=f"got loss='{then}' \\(was '{first}'\\)"):
        model.fit(X, counts)


def test_predictions_are_those_of_the_loss_that_was_fitted(X):
    model = small_net(loss="poisson").fit(X, np.arange(len(X), dtype=float))
    expected = model.predict(X)
    assert_same_bits(model.set_params(loss="squared_error").predict(X), expected)
