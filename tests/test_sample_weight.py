"""sample_weight: an integer weight is a repetition, and all weights reach the score."""

import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("normalize_y", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_integer_weights_count_as_repeated_rows(X, y, normalize_y, n_outputs):
    targets = 10 + np.column_stack([3 * y, y**2])[:, :n_outputs].squeeze()
    repeats = np.random.RandomState(0).randint(4, size=len(y))
    assert 0 in repeats
    full_batch = {"batch_size": 1000, "max_iter": 20, "alpha": 0.1, "normalize_y": normalize_y}
    weighted = small_net(**full_batch).fit(X, targets, sample_weight=repeats)
    repeated = small_net(**full_batch).fit(
        np.repeat(X, repeats, axis=0), np.repeat(targets, repeats, axis=0)
    )
    # Sums run in another order: the rest is rounding, which 20 steps may magnify.
    assert_allclose(weights(weighted), weights(repeated), rtol=1e-9, atol=1e-9)
    assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    unweighted = small_net(**full_batch).fit(X, targets)
    assert np.abs(weights(weighted) - weights(unweighted)).max() > 1e-3


def test_a_row_of_weight_zero_is_as_if_absent_also_alone_in_its_minibatch(X, y):
    present = np.random.RandomState(0).randint(2, size=len(y)).astype(bool)
    one_by_one = {"batch_size": 1, "shuffle": False, "normalize_y": False}
    weighted = small_net(**one_by_one).fit(X, y, sample_weight=present)
    assert_same_bits(
        weights(weighted), weights(small_net(**one_by_one).fit(X[present], y[present]))
    )


def test_equal_weights_are_no_weights(X, y):
    unweighted = small_net().fit(X, y)
    assert_same_bits(vars(small_net().fit(X, y, sample_weight=np.ones(len(y)))), vars(unweighted))


def test_weights_reach_the_score(X, y):
    model, weight = small_net().fit(X, y), np.arange(len(y))
    expected = r2_score(y, model.predict(X), sample_weight=weight)
    assert model.score(X, y, sample_weight=weight) == expected
