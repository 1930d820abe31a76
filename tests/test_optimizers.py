"""Optimizers, from the parameters of the estimator to the steps on the flat vector."""

import pickle

import numpy as np
import pytest
import reference
from conftest import assert_same_bits
from sklearn.base import clone

from sklstm import LSTMRegressor
from sklstm._forms import Expected
from sklstm._kernels import updates
from sklstm._machine.processor import LINE_BYTES
from sklstm._network.layout import PAGE_BYTES
from sklstm._network.parameters import Architecture, named_views
from sklstm._scaling import as_they_are
from sklstm._sequences import read_sequences
from sklstm._training.losses import SquaredError
from sklstm._training.objective import Objective
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.state import Data, Settings
from sklstm._training.stochastic import Stochastic

N_STEPS = 30
# As promised. Some ten roundings a step, each of 1e-16, stay well below over 30 steps.
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}
ARCHITECTURE = Architecture(2, (3, 2), True, "last", 2)
DECAY = 0.3

# name: parameters of the estimator, the twin's settings, torch's class and its settings
CASES = {
    "adam": (
        {"solver": "adam"},
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
        ("Adam", {"betas": (0.9, 0.999), "eps": 1e-8}),
    ),
    "adam, other settings": (
        {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1},
        ("Adam", {"betas": (0.5, 0.9), "eps": 0.1}),
    ),
    "adamw": (
        {"solver": "adamw", "alpha": DECAY},
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "decay": DECAY},
        ("AdamW", {"betas": (0.9, 0.999), "eps": 1e-8}),
    ),
    "adamw without decay": (
        {"solver": "adamw", "alpha": 0.0},
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "decay": 0.0},
        ("AdamW", {"betas": (0.9, 0.999), "eps": 1e-8}),
    ),
    "sgd": (
        {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
        {"momentum": 0.0, "nesterov": False},
        ("SGD", {}),
    ),
    "sgd, momentum": (
        {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
        {"momentum": 0.9, "nesterov": False},
        ("SGD", {"momentum": 0.9}),
    ),
    "sgd, Nesterov's momentum": (
        {"solver": "sgd"},
        {"momentum": 0.9, "nesterov": True},
        ("SGD", {"momentum": 0.9, "nesterov": True}),
    ),
    "sgd, Nesterov's without momentum": (
        {"solver": "sgd", "momentum": 0.0},
        {"momentum": 0.0, "nesterov": False},
        ("SGD", {}),
    ),
    "rmsprop": (
        {"solver": "rmsprop"},
        {"rho": 0.999, "epsilon": 1e-8},
        ("RMSprop", {"alpha": 0.999, "eps": 1e-8}),
    ),
    "rmsprop, other settings": (
        {"solver": "rmsprop", "beta_2": 0.9, "epsilon": 0.1},
        {"rho": 0.9, "epsilon": 0.1},
        ("RMSprop", {"alpha": 0.9, "eps": 0.1}),
    ),
}
for_each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
for_each_rate = pytest.mark.parametrize("changing", [False, True], ids=["constant", "changing"])


@pytest.fixture(name="start")
def weights_and_gradients():
    """Weights to start from, and a gradient for each step, large and small."""
    rng = np.random.RandomState(0)
    n = ARCHITECTURE.n_weights
    scale = 10 ** rng.uniform(-4, 2, size=(N_STEPS, n))
    return rng.normal(size=n), scale * rng.normal(size=(N_STEPS, n))


def rates(changing):
    """Learning rates of the steps: constant, or falling and once rising."""
    return 0.01 * np.cos(np.arange(N_STEPS) / 8) ** 2 if changing else np.full(N_STEPS, 0.01)


def is_bias():
    """Which entries of the flat vector are biases."""
    flat = np.zeros(ARCHITECTURE.n_weights)
    views = named_views(ARCHITECTURE, flat)
    for bias in (*views["biases"], views["output_bias"]):
        bias[:] = 1
    return flat == 1


def objective(estimator):
    """The part of training that penalises and clips, for an estimator's parameters."""
    settings = Settings(
        loss=SquaredError(), solver=Stochastic.of(estimator), alpha=estimator.alpha, max_iter=1,
        tol=0.0, n_iter_no_change=1, dropout=0.0, recurrent_dropout=0.0, max_grad_norm=None,
        bptt_steps=None,
    )  # fmt: skip
    sequences = as_they_are(read_sequences(np.zeros((1, 2, 2)), Expected(estimator)))
    data = Data(sequences, np.zeros((1, 2)), np.ones(1), np.arange(1))
    return Objective(ARCHITECTURE, data, settings), settings.solver.optimizer


def steps(parameters, start, changing):
    """The weights after each step."""
    weights, gradients = start[0].copy(), start[1]
    prepared_by, optimizer = objective(LSTMRegressor(**parameters))
    state = optimizer.init(weights)
    for number, (gradient, rate) in enumerate(zip(gradients, rates(changing), strict=True), 1):
        gradient = gradient.copy()
        prepared_by.prepare(weights, gradient, rate)
        optimizer.step(weights, gradient, state, number, rate)
        yield weights.copy()


@for_each_rate
@for_each_case
def test_step_sequence_is_the_twins(start, case, changing):
    parameters, settings, _ = case
    weights, state = start[0], {}
    if "decay" in settings:
        settings = {**settings, "decay": np.where(is_bias(), 0, settings["decay"])}
    twin = reference.OPTIMIZERS[parameters["solver"]]
    for actual, gradient, rate in zip(
        steps(parameters, start, changing), start[1], rates(changing), strict=True
    ):
        weights = twin(weights, gradient, state, learning_rate=rate, **settings)
        np.testing.assert_allclose(actual, weights, **TOLERANCE)


@for_each_rate
@for_each_case
def test_step_sequence_is_torchs(start, case, changing):
    torch = pytest.importorskip("torch")
    parameters, _, (name, settings) = case
    biases = is_bias()
    groups = [torch.tensor(start[0][part], requires_grad=True) for part in (~biases, biases)]
    decays = [parameters.get("alpha", 0.0), 0.0] if name == "AdamW" else [0.0, 0.0]
    optimizer = getattr(torch.optim, name)(
        [{"params": [g], "weight_decay": d} for g, d in zip(groups, decays, strict=True)],
        lr=0.01,
        **settings,
    )
    for actual, gradient, rate in zip(
        steps(parameters, start, changing), start[1], rates(changing), strict=True
    ):
        for tensor, part, group in zip(
            groups, (~biases, biases), optimizer.param_groups, strict=True
        ):
            tensor.grad, group["lr"] = torch.tensor(gradient[part]), rate
        optimizer.step()
        for tensor, part in zip(groups, (~biases, biases), strict=True):
            np.testing.assert_allclose(actual[part], tensor.detach().numpy(), **TOLERANCE)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_settings_are_apart_from_state(start, name):
    optimizer = OPTIMIZERS[name](LSTMRegressor(solver=name))
    settings = dict(vars(optimizer))
    weights = start[0].astype(np.float32)
    state, other = optimizer.init(weights), optimizer.init(weights)
    assert all(array.dtype == np.float32 and not array.any() for array in state.values())
    optimizer.step(weights, start[1][0].astype(np.float32), state, 1, 0.01)
    assert all(array.any() for array in state.values())
    # Neither the settings nor another fit's state took part.
    assert vars(optimizer) == settings
    assert not any(array.any() for array in other.values())


def test_adamw_shrinks_weights_and_not_biases(start):
    without = next(steps({"solver": "adamw", "alpha": 0.0}, start, False))
    shrunk = next(steps({"solver": "adamw", "alpha": DECAY}, start, False))
    biases = is_bias()
    assert_same_bits(shrunk[biases], without[biases])
    np.testing.assert_allclose(
        (without - shrunk)[~biases], 0.01 * DECAY * start[0][~biases], rtol=1e-12, atol=1e-15
    )


def test_alpha_is_no_part_of_adamws_objective_and_is_of_the_others():
    rng = np.random.RandomState(0)
    weights = rng.normal(size=ARCHITECTURE.n_weights)
    biases = is_bias()
    for name in OPTIMIZERS:
        penalised, _ = objective(LSTMRegressor(solver=name, alpha=DECAY))
        gradient = np.zeros_like(weights)
        value = penalised.penalize(weights, gradient, 4.0)
        expected = np.where(biases | (name == "adamw"), 0, DECAY / 4 * weights)
        np.testing.assert_allclose(gradient, expected, rtol=1e-14)
        np.testing.assert_allclose(value, weights @ expected / 2, rtol=1e-14)


def places_of_a_step(fit, monkeypatch):
    """Where in a page weights, gradient, mean and square start, in all steps of Adam."""
    places, step = set(), updates.adam

    def adam(*arguments):
        places.add(tuple(array.ctypes.data % PAGE_BYTES for array in arguments[:4]))
        step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(updates, "adam", adam)
        fit()
    return places


def test_what_a_step_of_any_fit_goes_through_starts_at_places_of_its_own(monkeypatch):
    X = np.random.RandomState(0).normal(size=(8, 3, 2))
    model = LSTMRegressor(20, max_iter=2, tol=0, random_state=0)
    loaded = pickle.loads(pickle.dumps(clone(model).fit(X, X[:, 0, 0])))
    going_on = loaded.set_params(warm_start=True).fit
    for fit in (model.fit, model.partial_fit, loaded.partial_fit, going_on):
        (places,) = places_of_a_step(lambda fit=fit: fit(X, X[:, 0, 0]), monkeypatch)
        assert len({*places}) == 4
        assert not np.mod(places, LINE_BYTES).any()
