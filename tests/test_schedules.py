"""Schedules: the learning rate as a function of counters."""

import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.schedules import LOWEST_ADAPTIVE_RATE, SCHEDULES, Clock

for_each_schedule = pytest.mark.parametrize("name", list(SCHEDULES))


def rate(name, initial=0.1, power_t=0.5, **counters):
    clock = Clock(**{"epochs": 0, "max_iter": 100, "samples": 0, "plateaus": 0, **counters})
    return SCHEDULES[name](initial, clock, power_t)


@pytest.fixture(name="rates")
def recorded_rates(monkeypatch):
    """The learning rate of every step of a fit."""
    recorded = []
    kinds = [type(optimizer(small_net())) for optimizer in OPTIMIZERS.values()]
    # AdamW's step is Adam's.
    for kind in [kind for kind in kinds if "step" in vars(kind)]:
        step = kind.step

        def recording_step(self, weights, gradient, state, number, rate, step=step):
            recorded.append(rate)
            step(self, weights, gradient, state, number, rate)

        monkeypatch.setattr(kind, "step", recording_step)
    return recorded


@for_each_schedule
def test_starts_at_learning_rate_init(name):
    assert rate(name, 0.3) == 0.3


@for_each_schedule
def test_is_a_function_of_its_arguments_alone(name):
    counters = {"epochs": 7, "samples": 300, "plateaus": 2}
    first = rate(name, **counters)
    rate(name, epochs=50, samples=4000, plateaus=3)
    assert rate(name, **counters) == first


def test_constant_never_changes():
    assert rate("constant", epochs=99, samples=10**6, plateaus=5) == 0.1


@pytest.mark.parametrize("power_t", [0.0, 0.5, 1.0])
def test_invscaling_is_mlp_regressors(power_t):
    peer = SGDOptimizer([], 0.1, "invscaling", power_t=power_t)
    for samples in (1, 40, 4000):
        peer.iteration_ends(samples)
        np.testing.assert_allclose(
            rate("invscaling", power_t=power_t, samples=samples), peer.learning_rate, rtol=1e-15
        )


def test_a_power_that_overflows_is_a_rate_of_0(X, y):
    with np.errstate(over="ignore"):
        assert SCHEDULES["invscaling"](0.1, Clock(1, 10, 1000, 0), 1000) == 0
    # The first epoch still has the rate it starts with: 1 to any power is 1.
    model = small_net(learning_rate="invscaling", power_t=1000, n_iter_no_change=np.inf).fit(X, y)
    first = small_net(max_iter=1, n_iter_no_change=np.inf).fit(X, y)
    assert_same_bits(weights(model), weights(first))


def test_adaptive_is_mlp_regressors():
    peer = SGDOptimizer([], 0.1, "adaptive")
    plateaus = 0
    while not peer.trigger_stopping("", False):
        plateaus += 1
        # The peer divides by 5 again and again, which rounds again and again.
        np.testing.assert_allclose(rate("adaptive", plateaus=plateaus), peer.learning_rate, 1e-14)
        assert rate("adaptive", plateaus=plateaus - 1) > LOWEST_ADAPTIVE_RATE
    assert rate("adaptive", plateaus=plateaus) <= LOWEST_ADAPTIVE_RATE


def test_cosine_falls_from_the_start_to_0_at_max_iter():
    rates = [rate("cosine", epochs=epochs) for epochs in range(101)]
    assert (np.diff(rates) < 0).all()
    np.testing.assert_allclose([rates[50], rates[25] + rates[75]], [0.05, 0.1], rtol=1e-14)
    assert rates[100] == 0


def test_cosine_is_torchs():
    torch = pytest.importorskip("torch")
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    for epochs in range(101):
        # The peer goes from one rate to the next by a recursion, whose rounding adds up.
        np.testing.assert_allclose(
            rate("cosine", epochs=epochs), optimizer.param_groups[0]["lr"], rtol=1e-9, atol=1e-15
        )
        optimizer.step()
        peer.step()


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
@for_each_schedule
def test_every_stochastic_solver_follows_every_schedule(X, y, rates, solver, name):
    # Three minibatches an epoch; patience runs out after the second and fourth epoch.
    model = small_net(
        solver=solver, learning_rate=name, max_iter=4, tol=10, n_iter_no_change=1, alpha=0
    )
    model.fit(X, y)
    n_samples, initial = len(X), model.learning_rate_init
    expected = {
        "constant": [initial] * 3,
        "invscaling": [initial / (n_samples * epoch + 1) ** 0.5 for epoch in range(3)],
        # The first epoch always improves, the next two do not.
        "adaptive": [initial] * 3 + [initial / 5],
        "cosine": [initial * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(3)],
    }[name]
    np.testing.assert_allclose(rates, np.repeat(expected, 3), rtol=1e-14)


def test_adaptive_stops_below_its_lowest_rate(X, y, rates):
    model = small_net(
        learning_rate="adaptive", learning_rate_init=1e-4, max_iter=50, tol=10, n_iter_no_change=1
    )
    model.fit(X, y)
    # 1e-4 / 5**3 is the first rate that is no more than 1e-6; patience runs out once more there.
    np.testing.assert_allclose(np.unique(rates), 1e-4 / 5.0 ** np.arange(4)[::-1], rtol=1e-14)
    assert model.n_iter_ == 1 + 2 * 4


def test_invscaling_goes_on_with_the_samples_of_all_fits(X, y, rates):
    model = small_net(learning_rate="invscaling", warm_start=True, max_iter=1, shuffle=False)
    model.fit(X, y).fit(X, y).partial_fit(X, y)
    expected = [0.01 / (len(X) * epoch + 1) ** 0.5 for epoch in range(3)]
    np.testing.assert_allclose(rates, np.repeat(expected, 3), rtol=1e-14)


def test_cosine_begins_anew_with_each_fit(X, y, rates):
    model = small_net(learning_rate="cosine", warm_start=True, max_iter=2).fit(X, y).fit(X, y)
    np.testing.assert_allclose(rates, np.repeat([0.01, 0.005] * 2, 3), rtol=1e-14)
    assert model.n_iter_ == 4
