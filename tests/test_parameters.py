"""What the constructor's parameters promise: which values they take, and what they do."""

import copy
import inspect
import re

import numpy as np
import pytest
from conftest import ENDLESS, assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
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
    "pooling": ["sum", "", 0, 1],
    "n_timesteps": [0, -1, 2.0, "3"],
    "loss": ["mse", "", None, 1],
    "quantile": [0, 1, -0.5, np.nan, "0.5", None],
    "huber_delta": NOT_POSITIVE,
    "normalize_X": NOT_A_BOOLEAN,
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
    "bptt_steps": [0, -1, 2.0, "3", np.nan, np.inf],
}

GOOD_VALUES = {
    "hidden_layer_sizes": [1, np.int64(3), (3,), [3, 2], np.array([3, 2]), (2, 2, 2)],
    "bidirectional": [True, np.True_],
    "forget_bias": [0, -1.5, np.float32(2), "chrono"],
    "pooling": ["last", "mean", "max"],
    "n_timesteps": [None, 1, np.int32(6), 12],
    "loss": ["squared_error", "absolute_error", "huber", "quantile"],
    "quantile": [0.01, 0.99],
    "huber_delta": [1e-3, 10],
    "normalize_X": [True, False, np.False_],
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
    "bptt_steps": [None, 1, np.int64(5), 10**30],
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
    LSTMRegressor(4, **settings).fit(X, y)  # compiles, which would be told
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


# --- Targets and penalty --------------------------------------------------------------------


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
        small_net(alpha=alpha, normalize_X=False, **start).fit(X, y, np.full(len(y), weight))
        for alpha in (0, 50)
    )
    arrays = *free.input_weights_, *free.recurrent_weights_
    # The penalty knows the head as it is in training, before the scale of y is folded in.
    head = free.output_weights_ / np.std(y)
    squares = sum(np.sum(array**2) for array in (*arrays, head))
    expected = 50 / (2 * weight * len(y)) * squares
    assert_allclose(penalised.loss_ - free.loss_, expected, rtol=1e-6)


def test_alpha_shrinks_weights_but_not_biases(X, y):
    nets = [
        small_net(max_iter=60, alpha=alpha, normalize_X=False, **ENDLESS).fit(X, y)
        for alpha in (0, 0.1, 1)
    ]
    norms = [
        np.linalg.norm(np.hstack([*net.input_weights_[0].T, *net.recurrent_weights_[0].T]))
        for net in nets
    ]
    assert norms[0] > 1.5 * norms[1] > 3 * norms[2]
    assert all(np.linalg.norm(net.biases_) > 1 for net in nets)


@pytest.mark.parametrize("forget_bias", [-1.5, 0, 3.0])
def test_forget_bias_is_where_the_forget_gate_starts(X, y, forget_bias):
    model = small_net(
        forget_bias=forget_bias,
        normalize_X=False,
        learning_rate_init=1e-12,
        max_iter=1,
        hidden_layer_sizes=(3, 2),
    ).fit(X, y)
    for bias, units in zip(model.biases_, (3, 2), strict=True):
        gates = bias.reshape(4, units)
        assert_allclose(gates[1], forget_bias, atol=1e-9)
        assert_allclose(gates[[0, 2, 3]], 0, atol=1e-9)


def test_chrono_starts_the_gates_with_memories_up_to_the_length_of_a_sequence(X, y):
    model = small_net(
        forget_bias="chrono",
        normalize_X=False,
        learning_rate_init=1e-12,
        max_iter=1,
        hidden_layer_sizes=50,
    ).fit(X, y)
    input_gate, forget_gate, *others = model.biases_[0].reshape(4, 50)
    assert_allclose(input_gate, -forget_gate, atol=1e-9)
    assert_allclose(others, 0, atol=1e-9)
    # 12 steps: log(U[1, 11]).
    assert np.exp(forget_gate).min() >= 1 - 1e-6
    assert np.exp(forget_gate).max() <= 11 + 1e-6
    assert 4 < np.exp(forget_gate).mean() < 8


def test_an_array_of_one_number_is_that_many_units(X, y):
    assert_same_bits(
        weights(small_net(hidden_layer_sizes=np.array(3)).fit(X, y)),
        weights(small_net(hidden_layer_sizes=3).fit(X, y)),
    )


@pytest.mark.parametrize("sizes", [[[3, 2]], [3, [2]], (3, 0), (3, 2.0), ()])
def test_sizes_that_are_no_row_of_integers_are_refused(X, y, sizes):
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must be .*one a layer, got"):
        small_net(hidden_layer_sizes=sizes).fit(X, y)


@pytest.mark.parametrize(
    "sizes", [(2, 10**7), (2, 10**9), (10**9, 10**9), (10**9,) * 3, (10**10,), (10**200, 2)]
)
def test_a_net_that_no_memory_holds_is_refused_by_the_parameters_name(X, y, sizes):
    model = small_net(hidden_layer_sizes=sizes)
    before = copy.deepcopy(vars(model))
    match = rf"hidden_layer_sizes={re.escape(str(sizes))} makes a net of at least \S+ weights"
    with pytest.raises(MemoryError, match=match):
        model.fit(X, y)
    assert_same_bits(vars(model), before)


def test_a_batch_size_of_true_is_one_row(X, y):
    # A boolean is an integer, to Python and to scikit-learn's constraints.
    assert_same_bits(
        weights(small_net(batch_size=True).fit(X, y)), weights(small_net(batch_size=1).fit(X, y))
    )


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
                beta_1=0, beta_2=0, epsilon=1e9, normalize_X=False, normalize_y=False, alpha=0,
            ).fit(X, 100 * y)  # fmt: skip

        return (weights(net(1e8)) - weights(net(1e-12))) * 1e9 / 1e8

    free = step(None)
    length = np.linalg.norm(free)
    assert length > 2
    # The steps are this exact up to gradient / epsilon.
    assert_allclose(step(1.0), free / length, rtol=1e-5, atol=1e-7)
    assert_allclose(step(2 * length), free, rtol=1e-5, atol=1e-7)
