"""The oracle's optimizers and clipping are right: against PyTorch."""

import numpy as np
import pytest
import reference
from conftest import EXACT
from reference import adam, adamw, clip, rmsprop, sgd


@pytest.mark.parametrize(
    ("optimizer", "settings", "torch_name", "torch_settings"),
    [
        (adam, {}, "Adam", {}),
        (
            adam,
            {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
            "Adam",
            {"betas": (0.8, 0.95), "eps": 1e-3},
        ),
        (adamw, {}, "AdamW", {}),
        (
            adamw,
            {"decay": 0.3, "beta_1": 0.8, "epsilon": 1e-3},
            "AdamW",
            {"weight_decay": 0.3, "betas": (0.8, 0.999), "eps": 1e-3},
        ),
        (sgd, {"momentum": 0}, "SGD", {"nesterov": False}),
        (sgd, {"nesterov": False}, "SGD", {"momentum": 0.9}),
        (sgd, {}, "SGD", {"momentum": 0.9, "nesterov": True}),
        (rmsprop, {}, "RMSprop", {}),
        (rmsprop, {"rho": 0.9, "epsilon": 1e-3}, "RMSprop", {"alpha": 0.9, "eps": 1e-3}),
    ],
)
def test_optimizer_equals_torch(optimizer, settings, torch_name, torch_settings):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(11)
    theta = rng.normal(size=7)
    torch_theta = torch.tensor(theta, requires_grad=True)
    torch_optimizer = getattr(torch.optim, torch_name)([torch_theta], lr=0.1, **torch_settings)
    state = {}
    for step in range(5):
        # a schedule changes the rate between steps
        learning_rate = 0.1 / (1 + step)
        torch_optimizer.param_groups[0]["lr"] = learning_rate
        gradient = rng.normal(size=7)
        torch_theta.grad = torch.tensor(gradient)
        torch_optimizer.step()
        theta = optimizer(theta, gradient, state, learning_rate=learning_rate, **settings)
        np.testing.assert_allclose(theta, torch_theta.detach().numpy(), **EXACT)


def test_adamw_can_spare_the_biases():
    rng = np.random.default_rng(12)
    theta, gradient = rng.normal(size=4), rng.normal(size=4)
    spared = adamw(theta, gradient, {}, decay=np.array([0.5, 0.5, 0, 0]))
    np.testing.assert_array_equal(spared[:2], adamw(theta, gradient, {}, decay=0.5)[:2])
    np.testing.assert_array_equal(spared[2:], adam(theta, gradient, {})[2:])


@pytest.mark.parametrize("name", reference.OPTIMIZERS)
def test_optimizers_keep_float32_and_leave_their_inputs_alone(name):
    theta, gradient, state = np.ones(3, np.float32), np.full(3, 2, np.float32), {}
    for _ in range(2):
        new = reference.OPTIMIZERS[name](theta, gradient, state)
        assert new.dtype == np.float32
        assert not np.shares_memory(new, theta)
    np.testing.assert_array_equal(theta, 1)
    np.testing.assert_array_equal(gradient, 2)


def test_clip_scales_long_gradients_to_max_norm_and_keeps_short_ones():
    gradient = np.array([3.0, -4.0])
    np.testing.assert_allclose(clip(gradient, 1.0), [0.6, -0.8], rtol=1e-15)
    np.testing.assert_array_equal(clip(gradient, 5.0), gradient)
    np.testing.assert_array_equal(clip(np.zeros(2), 1.0), 0)
    assert clip(gradient.astype(np.float32), 1.0).dtype == np.float32


def test_clip_equals_torch():
    torch = pytest.importorskip("torch")
    gradient = np.random.default_rng(13).normal(size=20)
    parameter = torch.zeros(20, dtype=torch.float64, requires_grad=True)
    parameter.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_([parameter], 0.5)
    # PyTorch adds 1e-6 to the norm
    np.testing.assert_allclose(clip(gradient, 0.5), parameter.grad.numpy(), rtol=1e-6)
