"""One step of a fit, by the equations; and weights of samples in minibatches."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence, small_net, weights
from twin_objective import draw_masks, start_of, twin_objective

# --- One step, by the equations -------------------------------------------------------------

STEPS = {
    "plain": {},
    "alpha": {"alpha": 0.7},
    "alpha, two layers in both directions": {
        "alpha": 0.7, "hidden_layer_sizes": (3, 2), "bidirectional": True, "pooling": "mean",
    },
    "a gradient longer than max_grad_norm": {"max_grad_norm": 0.01, "alpha": 0.7},
    "a gradient shorter than max_grad_norm": {"max_grad_norm": 100.0},
    "dropout": {"dropout": 0.5},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
    "both, two layers in both directions": {
        "dropout": 0.2, "recurrent_dropout": 0.3, "hidden_layer_sizes": (3, 2),
        "bidirectional": True,
    },
    "a gradient that is cut": {"bptt_steps": 4},
    "cut, dropout, two layers in both directions": {
        "bptt_steps": 2, "dropout": 0.2, "recurrent_dropout": 0.3, "hidden_layer_sizes": (3, 2),
        "bidirectional": True, "pooling": "max",
    },
    "cut, recurrent dropout, longer than max_grad_norm": {
        "bptt_steps": 1, "recurrent_dropout": 0.3, "max_grad_norm": 0.01, "pooling": "mean",
    },
    "absolute error": {"loss": "absolute_error"},
    "huber": {"loss": "huber", "huber_delta": 0.5},
    "quantile": {"loss": "quantile", "quantile": 0.8},
    "several quantiles": {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    "poisson": {"loss": "poisson"},
    "gaussian": {"loss": "gaussian"},
}  # fmt: skip


def settings_of_twin(model):
    return {
        "huber": {"delta": model.huber_delta},
        "quantile": {"quantile": model.quantile},
    }.get(model.loss)


@ignores_convergence
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("parameters", STEPS.values(), ids=STEPS)
def test_a_step_is_the_gradient_of_the_penalised_loss_clipped(X3, y, parameters, weighted):
    parameters = {"max_grad_norm": None, "alpha": 0.0, **parameters}
    model = small_net(
        solver="sgd", momentum=0, batch_size=len(y), max_iter=1, shuffle=False, normalize_X=False,
        normalize_y=False, **parameters,
    )  # fmt: skip
    y = np.abs(np.column_stack([y, y**2]))
    sample_weight = np.random.RandomState(1).uniform(size=len(y)) if weighted else None
    architecture, start, bit_generator = start_of(model, X3, y, sample_weight)
    masks = draw_masks(
        architecture, len(y), model.dropout, model.recurrent_dropout, bit_generator, X3.dtype
    )
    value, gradient = twin_objective(
        architecture, start, X3, y, alpha=model.alpha, masks=masks, sample_weight=sample_weight,
        loss=model.loss, settings=settings_of_twin(model), bptt_steps=model.bptt_steps,
    )  # fmt: skip
    if model.max_grad_norm is not None:
        assert (np.linalg.norm(gradient) > model.max_grad_norm) == (model.max_grad_norm < 1)
        gradient = reference.clip(gradient, model.max_grad_norm)
    model.fit(X3, y, sample_weight=sample_weight)
    np.testing.assert_allclose(
        model._weights, start - model.learning_rate_init * gradient, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(model.loss_, value, rtol=1e-12)


@ignores_convergence
def test_no_clipping_is_a_very_long_norm(X, y):
    assert_same_bits(
        weights(small_net(max_grad_norm=None).fit(X, y)),
        weights(small_net(max_grad_norm=1e300).fit(X, y)),
    )


# --- Weights in minibatches -----------------------------------------------------------------


def test_weights_count_also_between_minibatches():
    # One row a minibatch: normalised by its own weight, each row would count the same.
    X = np.zeros((200, 2))
    y = np.r_[np.zeros(100), np.ones(100)]
    weight = np.where(y == 0, 9.0, 1.0)
    model = small_net(
        normalize_y=False, batch_size=1, max_iter=60, tol=0, alpha=0, solver="sgd", momentum=0,
        learning_rate="cosine", learning_rate_init=0.05,
    ).fit(X, y, sample_weight=weight)  # fmt: skip
    np.testing.assert_allclose(model.predict(X[:1]), 0.1, atol=0.02)


@ignores_convergence
def test_rows_of_hardly_any_weight_do_not_spoil_a_fit(X, y):
    weight = np.r_[np.ones(len(y)), np.full(200, 1e-9)]
    settings = {"max_iter": 100, "tol": 0}
    alone = small_net(**settings).fit(X, y).score(X, y)
    spoiled = np.r_[X, np.random.RandomState(3).normal(size=(200, X.shape[1]))]
    model = small_net(**settings).fit(spoiled, np.r_[y, np.zeros(200)], sample_weight=weight)
    assert model.score(X, y) > alone - 0.1
