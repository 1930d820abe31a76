"""Numbers that fade are taken for zero inside kernels, and nowhere else."""

import numpy as np
import pytest
from conftest import ignores_convergence
from problems import for_each_dtype, make_problem, predict, train_once

from sklstm import LSTMRegressor
from sklstm._machine.compile import entry
from sklstm._machine.processor import SIMD_NAME
from sklstm._machine.subnormals import flush_subnormals, restore

pytestmark = pytest.mark.skipif(
    SIMD_NAME not in ("AVX-512", "AVX2", "SSE2"), reason="other processors have other registers"
)


@entry
def halve_twice(numbers, flushed):
    """Halve numbers while subnormal ones are zero, and others after that."""
    mode = flush_subnormals()
    for j in range(flushed.size):
        flushed[j] = numbers[j] / numbers.dtype.type(2)
    restore(mode)


def smallest(dtype):
    return np.finfo(dtype).tiny


@for_each_dtype
def test_a_kernel_takes_subnormal_numbers_for_zero(dtype):
    tiny = smallest(dtype)
    flushed = np.ones(3, dtype)
    halve_twice(np.array([tiny, tiny / 2, 4 * tiny], dtype), flushed)
    np.testing.assert_array_equal(flushed, np.array([0, 0, 2 * tiny], dtype))
    assert np.array([tiny], dtype)[0] / dtype(2) > 0


@for_each_dtype
@ignores_convergence
def test_a_fit_leaves_them_to_everybody_else(dtype):
    X = np.random.RandomState(0).normal(size=(40, 5)).astype(dtype)
    LSTMRegressor(max_iter=2).fit(X, X[:, 0]).predict(X)
    halves = np.array([smallest(dtype)], dtype) / dtype(2)
    assert halves[0] > 0


@ignores_convergence
def test_x_may_be_of_subnormal_numbers():
    X = np.random.RandomState(0).normal(size=(100, 6)).astype(np.float32)
    tiny = X * np.float32(smallest(np.float32) / 16)
    assert (abs(tiny) < smallest(np.float32)).all()
    usual, small = (
        LSTMRegressor(learning_rate_init=0.01, max_iter=60, random_state=0).fit(each, X[:, -1])
        for each in (X, tiny)
    )
    assert usual.score(X, X[:, -1]) > 0.9
    assert abs(small.score(tiny, X[:, -1]) - usual.score(X, X[:, -1])) < 0.02


@for_each_dtype
def test_a_gradient_that_fades_ends_as_zero(dtype):
    # Through 2000 steps with forget gates of 0.5, it would go through all that are subnormal.
    problem = make_problem(dtype, (5,), batch=3, steps=2000)
    problem.weights[:] *= 0.1
    raw, gradient = train_once(problem)
    assert np.isfinite(raw).all()
    assert np.isfinite(gradient).all()
    assert not ((gradient != 0) & (abs(gradient) < smallest(dtype))).any()
    np.testing.assert_array_equal(predict(problem), raw)
