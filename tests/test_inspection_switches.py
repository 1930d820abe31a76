"""Where the largest of several polynomials changes, and integrals between such places."""

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from sklstm.inspection._chebyshev import (
    angles_of,
    coefficients,
    on_a_finer_grid,
    positions,
    shares_of,
    shares_of_the_whole,
)
from sklstm.inspection._switches import crossings_of, runs_of


def largest(values):
    return values.argmax(axis=1)


def middle(values):
    return values.argsort(axis=1)[:, values.shape[1] // 2]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 33])
def test_integrals_of_polynomials_are_exact_between_any_two_positions(n):
    at, rng = positions(angles_of(n)), np.random.RandomState(0)
    polynomial = Polynomial(rng.normal(size=n + 1), domain=[0, 1])
    whole = polynomial.integ()
    first, last = rng.uniform(0, np.pi, (2, 5))
    found = shares_of(n, first, last) @ polynomial(at)
    expected = whole(positions(last)) - whole(positions(first))
    np.testing.assert_allclose(found, expected, atol=1e-13)
    assert shares_of_the_whole(n) @ polynomial(at) == pytest.approx(whole(1) - whole(0), abs=1e-13)


def test_half_of_the_points_are_among_all():
    np.testing.assert_allclose(positions(angles_of(8)), positions(angles_of(16))[::2], atol=1e-16)


def test_a_finer_grid_has_the_values_of_the_polynomial():
    polynomial = Polynomial([1, -3, 0, 5])
    values = polynomial(positions(angles_of(3)))
    found = on_a_finer_grid(coefficients(values[:, np.newaxis]), 20)[:, 0]
    np.testing.assert_allclose(found, polynomial(positions(angles_of(20))), atol=1e-14)


def test_many_candidates_are_told_apart_too():
    # Each of these is the largest where its own number is nearest.
    numbers, at = np.linspace(0.05, 0.95, 20), positions(angles_of(6))
    values = -((at[:, np.newaxis] - numbers) ** 2)
    runs = runs_of(coefficients(values[:, np.newaxis]), largest)
    np.testing.assert_array_equal(runs.candidate, np.arange(20))
    between = (numbers[1:] + numbers[:-1]) / 2
    np.testing.assert_allclose(positions(runs.last[:-1]), between, atol=1e-10)


@pytest.mark.parametrize("choose", [largest, middle])
@pytest.mark.parametrize("seed", range(5))
def test_runs_say_at_each_angle_what_is_chosen(choose, seed):
    values = np.random.RandomState(seed).normal(size=(9, 6, 5))
    of_all = coefficients(values)
    runs = runs_of(of_all, choose)
    n = 5000
    fine, angles = on_a_finer_grid(of_all, n), angles_of(n)
    differ = 0
    for group in range(6):
        here = runs.group == group
        first, last = runs.first[here], runs.last[here]
        assert first[0] == 0
        assert last[-1] == np.pi
        np.testing.assert_array_equal(first[1:], last[:-1])
        assert (first <= last).all()
        found = runs.candidate[here][np.searchsorted(first, angles, side="right") - 1]
        differ += np.count_nonzero(found != choose(fine[:, group]))
    # What is chosen for a moment, between two angles of a grid of 256, may be missed.
    assert differ < 6 * n / 256


def test_a_switch_is_where_two_are_equal():
    one, other = Polynomial([0, 1]), Polynomial([0.3, 0, 0.1])
    at = positions(angles_of(4))
    of_all = coefficients(np.stack([one(at), other(at)], axis=1)[:, np.newaxis])
    runs = runs_of(of_all, largest)
    root = next(root for root in (one - other).roots().real if 0 < root < 1)
    np.testing.assert_array_equal(runs.candidate, [1, 0])
    assert positions(runs.first[1]) == pytest.approx(root, abs=1e-12)
    edges = np.array([0, 0.5, np.pi])
    both = np.repeat(of_all, 2, axis=1)
    (crossing,) = crossings_of(both, largest, edges)
    assert positions(crossing) == pytest.approx(root, abs=1e-12)
