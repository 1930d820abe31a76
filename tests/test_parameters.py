"""What the constructor's parameters promise: which values they take, and what they do."""

import copy
import inspect
import re
import warnings

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.utils._param_validation import InvalidParameterError

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DEFAULTS = LSTMRegressor().get_params()
DOCSTRING = inspect.getdoc(LSTMRegressor)

# --- Values ---------------------------------------------------------------------------------

NOT_A_COUNT = [0, -1, 2.0, "3", None, np.nan]
NEGATIVE = [-1e-4, np.inf, np.nan, "1", None]
NOT_POSITIVE = [0, -1e-3, np.inf, np.nan, "1", None]
NOT_A_DECAY = [-0.1, 1, 1.5, np.nan, "0.9", None]
NOT_A_BOOLEAN = ["yes", 2, 1.0, None]

BAD_VALUES = {
    "hidden_layer_sizes": [0, -4, 4.0, "4", None],
    "bidirectional": NOT_A_BOOLEAN,
    "forget_bias": ["long", None, np.inf, -np.inf, np.nan, (1.0,)],
    "pooling": ["max", "", None, 1],
    "n_timesteps": [0, -1, 2.0, "3"],
    "loss": ["mse", "", None, 1],
    "quantile": [0, 1, -0.5, np.nan, "0.5", None],
    "huber_delta": NOT_POSITIVE,
    "normalize_y": NOT_A_BOOLEAN,
    "solver": ["newton", "", None, 1],
    "alpha": NEGATIVE,
    "batch_size": [*NOT_A_COUNT, "auto"],
    "learning_rate": ["slow", "", None, 0.1],
    "learning_rate_init": NOT_POSITIVE,
    "power_t": NEGATIVE,
    "max_iter": NOT_A_COUNT,
    "shuffle": NOT_A_BOOLEAN,
    "random_state": [-1, 1.5, "seed", (1, 2)],
    "tol": NEGATIVE,
    "verbose": [-1, "yes", 1.5, None],
    "warm_start": NOT_A_BOOLEAN,
    "momentum": [-0.1, 1.1, np.nan, "0.9", None],
    "nesterovs_momentum": NOT_A_BOOLEAN,
    "early_stopping": NOT_A_BOOLEAN,
    "validation_fraction": [0, 1, -0.1, np.nan, "0.1", None],
    "beta_1": NOT_A_DECAY,
    "beta_2": NOT_A_DECAY,
    "epsilon": NOT_POSITIVE,
    "n_iter_no_change": [0, -1, 2.0, "3", None, -np.inf],
    "max_fun": NOT_A_COUNT,
    "dropout": NOT_A_DECAY,
    "recurrent_dropout": NOT_A_DECAY,
    "max_grad_norm": [0, -1, np.inf, np.nan, "1"],
}

GOOD_VALUES = {
    "hidden_layer_sizes": [1, np.int64(3), (3,), [3, 2], np.array([3, 2]), (2, 2, 2)],
    "bidirectional": [True, np.True_],
    "forget_bias": [0, -1.5, np.float32(2), "chrono"],
    "pooling": ["last", "mean"],
    "n_timesteps": [None, 1, np.int32(6), 12],
    "loss": ["squared_error", "absolute_error", "huber", "quantile"],
    "quantile": [0.01, 0.99],
    "huber_delta": [1e-3, 10],
    "normalize_y": [True, False, np.False_],
    "solver": ["adam", "adamw", "sgd", "rmsprop", "lbfgs"],
    "alpha": [0, 1.0],
    "batch_size": [1, 7, np.int64(40), 10**6],
    "learning_rate": ["constant", "invscaling", "adaptive", "cosine"],
    "learning_rate_init": [1e-6, np.float32(0.1), 1],
    "power_t": [0, 2],
    "max_iter": [1, np.int64(2)],
    "shuffle": [True, False],
    "random_state": [None, 3, np.int64(3), np.random.RandomState(0)],
    "tol": [0, 1.0],
    "verbose": [False, 0],
    "warm_start": [True, False],
    "momentum": [0, 1],
    "nesterovs_momentum": [True, False],
    "early_stopping": [True, False],
    "validation_fraction": [0.1, 0.5],
    "beta_1": [0, 0.5],
    "beta_2": [0, 0.5],
    "epsilon": [1e-12, 1.0],
    "n_iter_no_change": [1, np.inf],
    "max_fun": [1, 100],
    "dropout": [0, 0.5],
    "recurrent_dropout": [0, 0.5],
    "max_grad_norm": [None, 0.1, 5],
}


def each(values):
    """The pairs of a name and a value, with an id that is the same in every process."""
    return [
        pytest.param(name, value, id=f"{name}={value!r}".split(" at 0x")[0])
        for name in values
        for value in values[name]
    ]


def test_the_tables_above_know_every_parameter():
    assert BAD_VALUES.keys() == GOOD_VALUES.keys() == DEFAULTS.keys()


@pytest.mark.parametrize(("name", "value"), each(BAD_VALUES))
def test_fit_refuses_a_bad_value_in_scikit_learns_words(X, y, name, value):
    model = small_net(**{name: value})
    before = copy.deepcopy(vars(model))
    wanted = f"The '{name}' parameter of LSTMRegressor must be .*. Got {re.escape(repr(value))}"
    with pytest.raises(InvalidParameterError, match=wanted):
        model.fit(X, y)
    assert_same_bits(vars(model), before)


@pytest.mark.parametrize("name", DEFAULTS)
def test_fit_refuses_an_object_that_is_no_value_at_all(X, y, name):
    class Nonsense:
        pass

    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of LSTMRegressor"):
        small_net(**{name: Nonsense()}).fit(X, y)


@pytest.mark.parametrize(
    "sizes", [(), [], (4, 0), (-1,), (4.5,), ("4",), (None,), [[4, 3]], np.array([[4]])], ids=repr
)
def test_fit_refuses_bad_entries_of_hidden_layer_sizes(X, y, sizes):
    wanted = "hidden_layer_sizes must be integers of at least 1, one a layer, got "
    with pytest.raises(ValueError, match=wanted + re.escape(repr(sizes))):
        small_net(hidden_layer_sizes=sizes).fit(X, y)


def test_a_refused_value_leaves_a_fitted_model_as_it_was(X, y):
    model = small_net(warm_start=True).fit(X, y)
    prediction = model.predict(X)
    for changes in ({"alpha": -1}, {"hidden_layer_sizes": (4, 0)}, {"solver": "newton"}):
        broken = copy.deepcopy(model).set_params(**changes)
        before = copy.deepcopy(vars(broken))
        with pytest.raises(ValueError, match=next(iter(changes))):
            broken.fit(X, -y)
        assert_same_bits(vars(broken), before)
        assert_same_bits(broken.set_params(**model.get_params()).predict(X), prediction)


@pytest.mark.parametrize(("name", "value"), each(GOOD_VALUES))
def test_fit_takes_the_value_and_leaves_the_parameter_untouched(X, y, name, value):
    model = small_net(**{name: value})
    given, content = model.get_params(), copy.deepcopy(model.get_params())
    prediction = model.fit(X, y).predict(X)
    assert prediction.shape == y.shape
    assert np.isfinite(prediction).all()
    for parameter, kept in model.get_params().items():
        assert kept is given[parameter]
        if not isinstance(kept, np.random.RandomState):
            assert_same_bits(kept, content[parameter])


# --- The same as MLPRegressor ---------------------------------------------------------------

# shared/design.md: the two that differ, and why they cannot be the same.
OTHER_DEFAULTS = {"hidden_layer_sizes": ((100,), (64,)), "batch_size": ("auto", 32)}


def test_parameters_that_mlp_regressor_has_too_have_its_defaults():
    theirs = MLPRegressor().get_params()
    shared = theirs.keys() & DEFAULTS.keys()
    assert shared >= {
        "hidden_layer_sizes", "solver", "alpha", "batch_size", "learning_rate_init", "max_iter",
        "shuffle", "random_state", "tol", "verbose", "warm_start", "beta_1", "beta_2", "epsilon",
        "n_iter_no_change",
    }  # fmt: skip
    different = {
        name: (theirs[name], DEFAULTS[name]) for name in shared if theirs[name] != DEFAULTS[name]
    }
    assert different == OTHER_DEFAULTS


def test_all_but_the_layers_are_keywords():
    first, *others = inspect.signature(LSTMRegressor).parameters.values()
    assert (first.name, first.kind) == ("hidden_layer_sizes", first.POSITIONAL_OR_KEYWORD)
    assert {parameter.kind for parameter in others} == {first.KEYWORD_ONLY}


def test_the_docstring_tells_every_parameter_and_its_default():
    for name, default in DEFAULTS.items():
        stated = re.search(rf"^{name} : .*,\s+default=(\S+)$", DOCSTRING, re.M)
        assert stated, name
        assert eval(stated[1]) == default


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_the_docstring_cites_its_references_in_order(estimator):
    text, references = inspect.getdoc(estimator).split("References\n")
    listed = re.findall(r"^\.\. \[(\d+)\] ", references, re.M)
    assert list(dict.fromkeys(re.findall(r"\[(\d+)\]_", text))) == listed
    assert listed == [str(number) for number in range(1, len(listed) + 1)]


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_the_docstring_tells_how_weights_start_and_by_whom(estimator):
    text, references = inspect.getdoc(estimator).split("References\n")
    text = " ".join(text.split())
    for claim, source in {
        r"weights start Glorot uniform \[(\d)\]_": r"Glorot & Bengio \(2010\)",
        r"recurrent weights orthogonal, gate by gate \[(\d)\]_": r"Saxe, .* \(2014\)",
        r"Start of the forget gate's bias \[(\d)\]_": r"Jozefowicz, .* \(2015\)",
        r"its negative for the input gate \[(\d)\]_": r"Tallec & Ollivier \(2018\)",
    }.items():
        number = re.search(claim, text)[1]
        assert re.search(rf"^\.\. \[{number}\] {source}", references, re.M), claim


def test_verbose_prints_each_epoch_as_mlp_regressor_does(X, y, capsys):
    settings = {"max_iter": 30, "tol": 0.05, "n_iter_no_change": 2, "random_state": 0}
    MLPRegressor(verbose=True, **settings).fit(X, y)
    theirs = capsys.readouterr().out.splitlines()
    model = LSTMRegressor(4, verbose=True, **settings).fit(X, y)
    *epochs, end = capsys.readouterr().out.splitlines()
    assert theirs[0].startswith("Iteration 1, loss = ")
    assert epochs == [
        f"Iteration {i}, loss = {loss:.8f}" for i, loss in enumerate(model.loss_curve_, start=1)
    ]
    # Both lost their patience, and say so in the same words.
    assert model.n_iter_ < 30
    assert end == theirs[-1]
    LSTMRegressor(4, verbose=False, **settings).fit(X, y)
    assert capsys.readouterr().out == ""


# --- Epochs: max_iter, tol, warm_start ------------------------------------------------------

ENDLESS = {"tol": 0, "n_iter_no_change": np.inf}


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


def test_reaching_max_iter_warns_as_mlp_regressor_does(X, y):
    with pytest.warns(ConvergenceWarning) as theirs:
        MLPRegressor(max_iter=3, random_state=0).fit(X, y)
    with pytest.warns(ConvergenceWarning) as ours:
        model = small_net(max_iter=3).fit(X, y)
    assert model.n_iter_ == 3
    assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]


def test_the_warning_points_at_the_line_that_called_fit(X, y):
    with pytest.warns(ConvergenceWarning) as record:
        small_net(max_iter=3).fit(X, y)
    assert record[0].filename == __file__


def test_patience_ends_training_without_a_warning(X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small_net(max_iter=1000, tol=0.01, n_iter_no_change=3).fit(X, y)
    # The best epoch by tol, and then one epoch more than n_iter_no_change.
    best, waited = np.inf, 0
    for loss in model.loss_curve_:
        assert waited <= 3
        waited = waited + 1 if loss > best - 0.01 else 0
        best = min(best, loss)
    assert waited == 4
    assert model.n_iter_ < 1000


def test_an_endless_patience_uses_all_epochs(X, y):
    model = small_net(max_iter=40, tol=1e9, n_iter_no_change=np.inf).fit(X, y)
    assert model.n_iter_ == 40


# --- A fit that diverges --------------------------------------------------------------------

# The loss, a square, passes the largest number of its type.
TOO_FAST = {np.float32: 1e30, np.float64: 1e200}


@pytest.mark.parametrize("dtype", TOO_FAST)
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_a_fit_that_diverges_warns_and_keeps_finite_weights(X, y, dtype, max_grad_norm):
    X = X.astype(dtype)
    net = small_net(
        learning_rate_init=TOO_FAST[dtype], max_grad_norm=max_grad_norm, max_iter=50, **ENDLESS
    )
    with pytest.warns(ConvergenceWarning, match="infinite or NaN.*learning_rate_init"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) < 50
    assert np.isfinite(weights(net)).all()
    assert np.isfinite(net.loss_curve_).all()
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("dtype", TOO_FAST)
def test_a_fit_that_diverges_warns_once_and_of_nothing_else(X, y, dtype):
    net = small_net(learning_rate_init=TOO_FAST[dtype], max_grad_norm=None)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        net.fit(X.astype(dtype), y)
    assert [w.category for w in record] == [ConvergenceWarning]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", TOO_FAST)
@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_after_a_fit_that_diverged_a_warm_start_with_small_steps_learns(X, y, dtype, max_grad_norm):
    X = X.astype(dtype)
    net = small_net(warm_start=True, shuffle=False, max_grad_norm=max_grad_norm, **ENDLESS)
    net.set_params(max_iter=2).fit(X, y)
    before, loss = weights(net), net.loss_
    net.set_params(learning_rate_init=TOO_FAST[dtype]).fit(X, y)
    # The epoch that diverged is undone, and so is all that it did to the optimizer.
    assert_same_bits(weights(net), before)
    net.set_params(learning_rate_init=0.01, max_iter=5).fit(X, y)
    assert net.n_iter_ == 7
    assert net.loss_ < loss


class InterruptInEpoch5:
    """Stands for the standard output of somebody who presses Ctrl-C when epoch 5 is printed."""

    def write(self, text):
        if text.startswith("Iteration 5,"):
            raise KeyboardInterrupt

    def flush(self):
        pass


def test_a_fit_that_is_interrupted_keeps_the_best_weights_and_warns(X, y, monkeypatch):
    settings = {"shuffle": False, "max_iter": 1000, **ENDLESS}
    model = small_net(verbose=True, **settings)
    monkeypatch.setattr("sys.stdout", InterruptInEpoch5())
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model.fit(X, y)
    monkeypatch.undo()
    assert model.n_iter_ == 5
    best = 1 + int(np.argmin(model.loss_curve_))
    assert_same_bits(weights(model), weights(small_net(**settings | {"max_iter": best}).fit(X, y)))


# --- Targets and penalty --------------------------------------------------------------------

DEEP = {"hidden_layer_sizes": (5, 3), "bidirectional": True, "pooling": "mean"}


@pytest.mark.parametrize("normalize_y", [True, False])
@pytest.mark.parametrize("architecture", [{}, DEEP], ids=["one layer", "deep"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_attributes_are_the_net_that_predicts_in_the_units_of_y(
    X3, y, architecture, n_outputs, normalize_y
):
    targets = 1e3 + 1e2 * np.column_stack([y, -y, y**2])[:, :n_outputs].squeeze()
    model = small_net(max_iter=40, normalize_y=normalize_y, **architecture).fit(X3, targets)
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    net = {name: getattr(model, name + "_") for name in names}
    options = {name: architecture[name] for name in ("bidirectional", "pooling") if architecture}
    raw, _ = reference.forward(X3, net, **options)
    assert_allclose(model.predict(X3), raw.squeeze(), rtol=1e-10, atol=1e-10)


def test_normalize_y_makes_the_fit_independent_of_the_units_of_y(X, y):
    plain = small_net(max_iter=30).fit(X, y)
    scaled = small_net(max_iter=30).fit(X, 1e3 + 1e2 * y)
    assert_allclose(scaled.predict(X), 1e3 + 1e2 * plain.predict(X), rtol=1e-9)
    assert_allclose(scaled.loss_curve_, plain.loss_curve_, rtol=1e-9)
    assert scaled.score(X, 1e3 + 1e2 * y) > 0.1


def test_without_normalize_y_the_loss_is_in_the_units_of_y(X, y):
    net = small_net(
        max_iter=1, normalize_y=False, alpha=0, batch_size=100, learning_rate_init=1e-12
    )
    model = net.fit(X, y)
    # A step this small leaves the net as it was when the loss was taken.
    assert_allclose(model.loss_, np.mean((model.predict(X) - y) ** 2) / 2, rtol=1e-6)


@pytest.mark.parametrize("weight", [1, 3])
def test_the_loss_includes_alpha_over_the_sum_of_sample_weights(X, y, weight):
    start = {"max_iter": 1, "batch_size": 100, "learning_rate_init": 1e-12}
    free, penalised = (
        small_net(alpha=alpha, **start).fit(X, y, np.full(len(y), weight)) for alpha in (0, 50)
    )
    arrays = *free.input_weights_, *free.recurrent_weights_
    # The penalty knows the head as it is in training, before the scale of y is folded in.
    head = free.output_weights_ / np.std(y)
    squares = sum(np.sum(array**2) for array in (*arrays, head))
    expected = 50 / (2 * weight * len(y)) * squares
    assert_allclose(penalised.loss_ - free.loss_, expected, rtol=1e-6)


def test_alpha_shrinks_weights(X, y):
    norms = [
        np.linalg.norm(weights(small_net(max_iter=60, alpha=alpha, **ENDLESS).fit(X, y)))
        for alpha in (0, 10, 1000)
    ]
    assert norms[0] > norms[1] > norms[2]


@pytest.mark.parametrize("forget_bias", [-1.5, 0, 3.0])
def test_forget_bias_is_where_the_forget_gate_starts(X, y, forget_bias):
    model = small_net(
        forget_bias=forget_bias, learning_rate_init=1e-12, max_iter=1, hidden_layer_sizes=(3, 2)
    ).fit(X, y)
    for bias, units in zip(model.biases_, (3, 2), strict=True):
        gates = bias.reshape(4, units)
        assert_allclose(gates[1], forget_bias, atol=1e-9)
        assert_allclose(gates[[0, 2, 3]], 0, atol=1e-9)


def test_chrono_starts_the_gates_with_memories_up_to_the_length_of_a_sequence(X, y):
    model = small_net(
        forget_bias="chrono", learning_rate_init=1e-12, max_iter=1, hidden_layer_sizes=50
    ).fit(X, y)
    input_gate, forget_gate, *others = model.biases_[0].reshape(4, 50)
    assert_allclose(input_gate, -forget_gate, atol=1e-9)
    assert_allclose(others, 0, atol=1e-9)
    # 12 steps: log(U[1, 11]).
    assert np.exp(forget_gate).min() >= 1 - 1e-6
    assert np.exp(forget_gate).max() <= 11 + 1e-6
    assert 4 < np.exp(forget_gate).mean() < 8


def test_a_batch_larger_than_the_data_is_all_of_the_data(X, y):
    all_of_it = small_net(batch_size=len(X)).fit(X, y)
    larger = small_net(batch_size=10 * len(X)).fit(X, y)
    assert_same_bits(weights(larger), weights(all_of_it))
    smaller = small_net(batch_size=len(X) // 2).fit(X, y)
    assert not np.array_equal(weights(smaller), weights(all_of_it))


def test_max_grad_norm_is_the_longest_gradient_of_a_step(X, y):
    # With beta_1 = beta_2 = 0 and a large epsilon, Adam's step is learning rate x gradient.
    def step(max_grad_norm):
        def net(rate):
            return small_net(
                learning_rate_init=rate, max_grad_norm=max_grad_norm, max_iter=1, batch_size=100,
                beta_1=0, beta_2=0, epsilon=1e9, normalize_y=False, alpha=0,
            ).fit(X, 100 * y)  # fmt: skip

        return (weights(net(1e8)) - weights(net(1e-12))) * 1e9 / 1e8

    free = step(None)
    length = np.linalg.norm(free)
    assert length > 2
    # The steps are this exact up to gradient / epsilon.
    assert_allclose(step(1.0), free / length, rtol=1e-5, atol=1e-7)
    assert_allclose(step(2 * length), free, rtol=1e-5, atol=1e-7)


# --- Random states --------------------------------------------------------------------------


def test_shuffle_changes_the_order_of_samples_and_not_the_start(X, y):
    in_order, shuffled = (small_net(shuffle=shuffle).fit(X, y) for shuffle in (False, True))
    assert not np.array_equal(weights(in_order), weights(shuffled))
    start = {"max_iter": 1, "learning_rate_init": 1e-15}
    in_order, shuffled = (small_net(shuffle=s, **start).fit(X, y) for s in (False, True))
    assert_allclose(weights(in_order), weights(shuffled), atol=1e-12)


def test_a_random_state_instance_gives_the_fit_of_its_seed_and_moves_on(X, y):
    random_state = np.random.RandomState(5)
    first = small_net(random_state=random_state).fit(X, y)
    assert_same_bits(weights(first), weights(small_net(random_state=5).fit(X, y)))
    second = small_net(random_state=random_state).fit(X, y)
    assert not np.array_equal(weights(first), weights(second))


def test_without_random_state_fits_differ_unless_numpys_seed_is_set(X, y):
    fits = [weights(small_net(random_state=None).fit(X, y)) for _ in range(2)]
    assert not np.array_equal(*fits)
    state = np.random.get_state()
    try:
        seeded = []
        for _ in range(2):
            np.random.seed(3)
            seeded.append(weights(small_net(random_state=None).fit(X, y)))
    finally:
        np.random.set_state(state)
    assert_same_bits(*seeded)


def test_an_integer_random_state_leaves_numpys_global_one_alone(X, y):
    before = np.random.get_state()
    small_net(random_state=0).fit(X, y).predict(X)
    assert_same_bits(np.random.get_state(), before)


# --- Fitted attributes ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep():
    """Two bidirectional layers of 5 and 3 units, 3 outputs, 40 samples, 6 steps of 2 features."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 12)), rng.normal(size=(40, 3))
    return small_net(n_timesteps=6, max_iter=4, **DEEP).fit(X, y)


ATTRIBUTES = {
    "n_features_in_": 12,
    "n_timesteps_": 6,
    "n_outputs_": 3,
    "n_layers_": 4,
    "n_iter_": 4,
    "t_": 160,
}
SHAPES = {
    "input_weights_": [(20, 2), (20, 2), (12, 10), (12, 10)],
    "recurrent_weights_": [(20, 5), (20, 5), (12, 3), (12, 3)],
    "biases_": [(20,), (20,), (12,), (12,)],
    "output_weights_": (3, 6),
    "output_bias_": (3,),
}
HISTORY = ["loss_", "best_loss_", "loss_curve_"]


def documented_attributes():
    section = DOCSTRING.split("Attributes\n")[1].split("References\n")[0]
    lines = re.findall(r"^(\w.*) : ", section, re.M)
    return {name for line in lines for name in line.split(", ")}


def test_the_attributes_of_the_docstring_are_there_after_fit(deep):
    documented = documented_attributes()
    assert documented >= ATTRIBUTES.keys() | SHAPES.keys() | set(HISTORY)
    missing = {name for name in documented if not hasattr(deep, name)}
    assert missing <= {"feature_names_in_"}


def test_no_attribute_is_there_before_fit():
    model = small_net()
    assert not [name for name in vars(model) if name.endswith("_")]
    assert not [name for name in documented_attributes() if hasattr(model, name)]


def test_every_public_fitted_attribute_is_documented(deep):
    public = {name for name in dir(deep) if name.endswith("_") and not name.startswith("_")}
    assert public <= documented_attributes()


@pytest.mark.parametrize(("name", "value"), ATTRIBUTES.items())
def test_counts(deep, name, value):
    assert getattr(deep, name) == value
    assert isinstance(getattr(deep, name), int)


@pytest.mark.parametrize(("name", "shapes"), SHAPES.items())
def test_weights_have_the_shapes_of_the_field(deep, name, shapes):
    value = getattr(deep, name)
    if isinstance(shapes, list):
        assert isinstance(value, list)
        assert [array.shape for array in value] == shapes
    else:
        assert value.shape == shapes


def test_losses_are_one_number_for_each_epoch(deep):
    assert len(deep.loss_curve_) == 4
    assert all(isinstance(loss, float) for loss in deep.loss_curve_)
    assert deep.loss_ == deep.loss_curve_[-1]
    assert deep.best_loss_ == min(deep.loss_curve_)


def test_all_weights_are_views_of_one_flat_vector(deep):
    groups = deep.input_weights_, deep.recurrent_weights_, deep.biases_
    arrays = [*(array for group in groups for array in group), deep.output_weights_]
    arrays.append(deep.output_bias_)
    (flat,) = {id(array.base): array.base for array in arrays}.values()
    assert flat.ndim == 1
    assert flat.size == sum(array.size for array in arrays)
    # None overlaps with another: each number is the place of just one weight.
    assert np.array_equal(np.sort(weights(deep)), np.sort(flat))


def test_changing_a_weight_changes_the_predictions(X, y):
    model = small_net().fit(X, y)
    prediction = model.predict(X)
    model.output_bias_[0] += 3.0
    assert_allclose(model.predict(X), prediction + 3.0, rtol=1e-12)
    model.output_weights_[:] = 0
    assert_same_bits(model.predict(X), np.repeat(model.output_bias_, len(X)))


def test_fitted_state_is_arrays_numbers_and_lists(deep):
    plain = np.ndarray, int, float, str, bool, type(None)

    def check(value):
        if isinstance(value, list | tuple):
            for entry in value:
                check(entry)
        elif isinstance(value, dict):
            check(list(value.items()))
        else:
            assert isinstance(value, plain), type(value)

    check(vars(deep))
