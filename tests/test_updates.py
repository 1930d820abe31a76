"""Passes over flat vectors: the sum of gradients, the penalty, clipping, optimizers' steps."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits

from sklstm._kernels import updates

# Around whole SIMD vectors, and longer than any unrolled loop.
SIZES = (1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000)
N_STEPS = 5
# float64 as promised; float32 rounds some ten times a step, and errors may add up.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}

for_each_dtype = pytest.mark.parametrize("dtype", list(TOLERANCE))
for_each_size = pytest.mark.parametrize("size", SIZES)


def adam(weights, gradient, memory, step, learning_rate, beta_1, beta_2, epsilon):
    mean, square = memory
    updates.adam(weights, gradient, mean, square, step, learning_rate, beta_1, beta_2, epsilon)


def sgd(weights, gradient, memory, step, learning_rate, momentum, nesterov):
    updates.sgd(weights, gradient, memory[0], learning_rate, momentum, nesterov)


def rmsprop(weights, gradient, memory, step, learning_rate, rho, epsilon):
    updates.rmsprop(weights, gradient, memory[0], learning_rate, rho, epsilon)


# (step, twin, settings that both take)
OPTIMIZERS = {
    "adam": (adam, reference.adam, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}),
    "adam_other": (adam, reference.adam, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}),
    "adam_without_memory": (adam, reference.adam, {"beta_1": 0.0, "beta_2": 0.0, "epsilon": 1e-8}),
    "sgd": (sgd, reference.sgd, {"momentum": 0.0, "nesterov": False}),
    "sgd_momentum": (sgd, reference.sgd, {"momentum": 0.9, "nesterov": False}),
    "sgd_nesterov": (sgd, reference.sgd, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (rmsprop, reference.rmsprop, {"rho": 0.99, "epsilon": 1e-8}),
}


@for_each_dtype
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_steps_are_those_of_the_twin(dtype, name):
    step, twin, settings = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    for size in SIZES:
        weights = rng.normal(size=size).astype(dtype)
        memory = np.zeros_like(weights), np.zeros_like(weights)
        expected, state = weights.astype(np.float64), {}
        for number in range(1, N_STEPS + 1):
            gradient = rng.normal(size=size).astype(dtype)
            kept = gradient.copy()
            rate = 0.1 / number
            step(weights, gradient, memory, number, rate, *settings.values())
            expected = twin(
                expected, gradient.astype(np.float64), state, learning_rate=rate, **settings
            )
            np.testing.assert_allclose(
                weights, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype]
            )
            assert_same_bits(gradient, kept)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_gradient_that_diverges_shows_in_the_weights_and_nowhere_else(name):
    step, _, settings = OPTIMIZERS[name]
    gradient = np.ones(40)
    gradient[[3, 20]] = np.nan
    weights = np.zeros(40)
    step(weights, gradient, (np.zeros(40), np.zeros(40)), 1, 0.1, *settings.values())
    np.testing.assert_array_equal(np.isnan(weights), np.isnan(gradient))


@for_each_dtype
@for_each_size
def test_clip_scales_a_longer_gradient_to_the_norm(dtype, size):
    gradient = np.random.default_rng(1).normal(size=size).astype(dtype)
    norm = np.linalg.norm(gradient.astype(np.float64))
    for max_norm in (0.5 * norm, 1e-3 * norm):
        clipped = gradient.copy()
        updates.clip(clipped, max_norm)
        expected = reference.clip(gradient.astype(np.float64), max_norm)
        np.testing.assert_allclose(clipped, expected, rtol=4 * np.finfo(dtype).eps)


@for_each_dtype
@for_each_size
def test_clip_leaves_a_shorter_gradient_as_it_is(dtype, size):
    gradient = np.random.default_rng(2).normal(size=size).astype(dtype)
    norm = np.linalg.norm(gradient.astype(np.float64))
    for max_norm in (1.01 * norm, 1e3 * norm, np.inf):
        clipped = gradient.copy()
        updates.clip(clipped, max_norm)
        assert_same_bits(clipped, gradient)


@for_each_dtype
def test_clip_leaves_a_gradient_of_zeros_as_it_is(dtype):
    gradient = np.zeros(33, dtype)
    updates.clip(gradient, 1.0)
    assert_same_bits(gradient, np.zeros(33, dtype))


def test_clip_does_not_overflow_where_float32_squares_would():
    gradient = np.full(33, 1e30, np.float32)
    updates.clip(gradient, 1.0)
    np.testing.assert_allclose(gradient, 33**-0.5, rtol=1e-6)


@for_each_dtype
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_clip_does_not_hide_a_gradient_that_diverged(dtype, number):
    gradient = np.ones(33, dtype)
    gradient[5] = number
    updates.clip(gradient, 1.0)
    assert not np.isfinite(gradient[5])


@for_each_dtype
@for_each_size
def test_penalty_is_half_the_weighted_sum_of_squares_and_its_gradient(dtype, size):
    rng = np.random.default_rng(3)
    gradient, weights = rng.normal(size=(2, size)).astype(dtype)
    penalty = (rng.uniform(size=size) * (rng.uniform(size=size) > 0.3)).astype(dtype)
    before, kept, scale = gradient.copy(), weights.copy(), 0.25
    value = updates.add_penalty(gradient, weights, penalty, scale)
    wide, by = weights.astype(np.float64), penalty.astype(np.float64)
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, scale * np.sum(by * wide**2) / 2, rtol=tolerance)
    np.testing.assert_allclose(gradient, before + scale * by * wide, rtol=tolerance, atol=tolerance)
    # what is not penalised, such as a bias, keeps its gradient
    assert_same_bits(gradient[penalty == 0], before[penalty == 0])
    assert_same_bits(weights, kept)


@for_each_dtype
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_gradients_are_added_in_their_order_and_padding_is_left_out(dtype, count):
    # lines, numbers in each, their distance and start, where they go, and their distance there, and
    # how wide the lines are, of the first that shares them
    blocks = np.array(
        [
            (3, 16, 16, 2, 0, 16, 16), (5, 7, 16, 60, 48, 7, 16), (1, 1, 16, 150, 83, 1, 16),
            (3, 2, 5000, 200, 84, 6, 4990), (3, 4, 5000, 300, 86, 6, 0),
        ]
    )  # fmt: skip
    assert 2 * updates.SUM_BLOCK < 4990
    gradients = np.full((9, 15_200), np.nan, dtype)
    expected = np.empty(102, dtype)
    rng = np.random.default_rng(4)
    for lines, size, distance, start, target, apart, _ in blocks:
        for line in range(lines):
            at, to = start + line * distance, target + line * apart
            parts = 10.0 ** rng.integers(-6, 6, (count, size)) * rng.normal(size=(1, size))
            gradients[:count, at : at + size] = parts
            out = gradients[0, at : at + size].copy()
            for part in gradients[1:count, at : at + size]:
                out += part
            expected[to : to + size] = out
    total, others = np.full(102, np.nan, dtype), gradients[1:].copy()
    updates.add_gradients(gradients, count, blocks, total)
    assert_same_bits(total, expected)
    assert_same_bits(gradients[1:], others)
