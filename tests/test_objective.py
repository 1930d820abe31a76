"""The penalised loss that training minimises, and its gradient through the net."""

from types import SimpleNamespace

import numpy as np
import pytest
import reference
from problems import (
    DIRECTIONS,
    POOLINGS,
    TOLERANCE,
    assert_close,
    flat_list,
    make_problem,
    numerical_gradient,
    reference_round,
    torch_gradient,
    torch_net,
)

from sklstm._network.order import Outputs
from sklstm._network.parameters import named_views
from sklstm._training.losses import LOSSES, BinaryLogLoss, MultinomialLogLoss
from sklstm._training.objective import Objective
from sklstm._training.state import Data


class WholeLoss:
    """The penalised loss that training minimises, as a function of the flat vector of weights."""

    def __init__(self, problem, loss, y, sample_weight, alpha):
        settings = SimpleNamespace(
            loss=loss,
            alpha=alpha,
            solver=SimpleNamespace(batch_size=len(problem.rows), decoupled=False),
            dropout=0,
            recurrent_dropout=0,
            bptt_steps=None,
        )
        outputs = Outputs(problem.lengths if problem.architecture.pooling is None else None)
        data = Data(problem.sequences, y, sample_weight, problem.rows, outputs)
        self.objective, self.rows = Objective(problem.architecture, data, settings), problem.rows

    def __enter__(self):
        self.objective.__enter__()
        return self

    def __exit__(self, *exception):
        self.objective.__exit__(*exception)

    def value(self, weights):
        return self.objective(weights, self.rows)[1]

    def gradient(self, weights):
        return self.objective(weights, self.rows)[2]


def assert_gradient_is_derivative(loss, weights):
    expected = numerical_gradient(lambda: loss.value(weights), weights)
    np.testing.assert_allclose(loss.gradient(weights), expected, rtol=1e-7, atol=1e-8)


# The loss, and what its twin is given besides raw outputs and targets.
CASES = {name: (name, {}) for name in LOSSES} | {
    "huber": ("huber", {"delta": 0.5}),
    "quantile": ("quantile", {"quantile": 0.3}),
    "several quantiles": ("quantile", {"quantile": (0.1, 0.3, 0.9)}),
}


def make_loss(case):
    name, settings = CASES[case]
    return LOSSES[name](SimpleNamespace(huber_delta=0.5, quantile=settings.get("quantile", 0.3)))


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("pooling", ["last", None])
def test_gradient_of_the_whole_loss_is_its_derivative(name, pooling):
    loss = make_loss(name)
    problem = make_problem(
        units=(4, 3), bidirectional=True, pooling=pooling, outputs=2 * len(loss.settings),
        lengths="ragged",
    )  # fmt: skip
    n = 7 if pooling else problem.exists.sum()
    y, sample_weight = np.random.RandomState(1).gamma(2, size=(n, 2)), np.linspace(0, 3, n)
    with WholeLoss(problem, loss, y, sample_weight, alpha=0.7) as loss:
        assert_gradient_is_derivative(loss, problem.weights)


@pytest.mark.parametrize("case", list(CASES))
def test_whole_loss_is_the_weighted_mean_and_the_penalty_on_all_but_biases(case):
    loss, (name, settings) = make_loss(case), CASES[case]
    problem = make_problem(
        units=(4, 3), bidirectional=True, outputs=2 * len(loss.settings), lengths="ragged"
    )
    y, sample_weight = np.random.RandomState(1).gamma(2, size=(7, 2)), np.linspace(0, 3, 7)
    raw, _ = reference_round(problem)
    mean = np.average(
        reference.LOSSES[name].value(raw, y, **settings).mean(axis=1), weights=sample_weight
    )
    views = named_views(problem.architecture, problem.weights)
    penalized_weights = [
        *views["input_weights"],
        *views["recurrent_weights"],
        views["output_weights"],
    ]
    squares = sum((weights**2).sum() for weights in penalized_weights)
    with WholeLoss(problem, loss, y, sample_weight, alpha=0.7) as loss:
        expected = mean + 0.7 / 2 * squares / sample_weight.sum()
        np.testing.assert_allclose(loss.value(problem.weights), expected, rtol=1e-12)


def labelled_problem(n_classes, **parameters):
    """A net for so many classes; its log loss, targets, labels, and weights of samples."""
    n_outputs = 1 if n_classes == 2 else n_classes
    problem = make_problem(outputs=n_outputs, batch=20, **parameters)
    n = 20 if problem.architecture.pooling is not None else problem.exists.sum()
    labels = np.random.RandomState(1).permutation(np.arange(n) % n_classes)
    y = labels[:, np.newaxis].astype(float) if n_classes == 2 else np.eye(n_classes)[labels]
    loss = BinaryLogLoss() if n_classes == 2 else MultinomialLogLoss()
    return problem, loss, y, labels, np.linspace(0, 3, n)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_gradient_of_the_whole_log_loss_is_its_derivative(n_classes):
    problem, log_loss, y, _, sample_weight = labelled_problem(
        n_classes, units=(4, 3), bidirectional=True, lengths="ragged"
    )
    with WholeLoss(problem, log_loss, y, sample_weight, alpha=0.7) as loss:
        assert_gradient_is_derivative(loss, problem.weights)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", [(5,), (16, 16)])
def test_log_loss_and_gradients_through_the_net_are_those_of_torch(
    n_classes, bidirectional, pooling, units
):
    torch = pytest.importorskip("torch")
    problem, log_loss, y, labels, sample_weight = labelled_problem(
        n_classes, units=units, bidirectional=bidirectional, pooling=pooling
    )
    raw, parameters = torch_net(problem)
    raw = raw.reshape(-1, raw.shape[-1])
    of_torch = torch.nn.functional
    if n_classes == 2:
        values = of_torch.binary_cross_entropy_with_logits(raw, torch.tensor(y), reduction="none")[
            :, 0
        ]
    else:
        values = of_torch.cross_entropy(raw, torch.tensor(labels), reduction="none")
    mean = (torch.tensor(sample_weight / sample_weight.sum()) * values).sum()
    mean.backward()
    with WholeLoss(problem, log_loss, y, sample_weight, alpha=0.0) as loss:
        np.testing.assert_allclose(loss.value(problem.weights), mean.item(), rtol=1e-10)
        gradient = named_views(problem.architecture, loss.gradient(problem.weights))
    expected = torch_gradient(parameters)
    for one, other in zip(flat_list(gradient), flat_list(expected), strict=True):
        assert_close(one, other, TOLERANCE[np.float64])
