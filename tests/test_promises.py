"""What README promises, in its words, of estimators as users construct them."""

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from problems import use_threads
from sklearn.model_selection import GridSearchCV

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = ignores_convergence

SERIES = np.sin(np.arange(120) / 5) * np.sin(np.arange(120) / 17)
WINDOWS = np.lib.stride_tricks.sliding_window_view(SERIES, 13)
X, Y = WINDOWS[:, :12], WINDOWS[:, 12]
LABELS = np.where(X[:, -1] < Y, "up", "down")
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, Y), (LSTMClassifier, LABELS)],
    ids=["regressor", "classifier"],
)
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def outputs(model, X):
    """Numbers of which labels are but the largest."""
    return model.predict(X) if isinstance(model, LSTMRegressor) else model.predict_proba(X)


@for_both
@for_each_dtype
def test_a_prediction_does_not_depend_on_the_batch_that_it_is_made_in(estimator, y, dtype):
    rows = X.astype(dtype)
    model = estimator().fit(rows, y)
    together = outputs(model, rows)
    alone = [outputs(model, rows[i : i + 1]) for i in range(len(rows))]
    assert_same_bits(np.concatenate(alone), together)
    order = np.random.RandomState(0).permutation(len(rows))
    assert_same_bits(outputs(model, rows[order]), together[order])


@for_both
@for_each_dtype
def test_the_same_model_for_any_number_of_threads(monkeypatch, estimator, y, dtype):
    rows, weights = X.astype(dtype), []
    for n_threads in (1, 2, 3):
        use_threads(monkeypatch, n_threads)
        model = estimator(random_state=0).fit(rows, y)
        weights.append((model._weights, outputs(model, rows)))
    assert_same_bits(weights[1], weights[0])
    assert_same_bits(weights[2], weights[0])


@for_both
def test_the_same_model_with_any_n_jobs(estimator, y):
    found = []
    for n_jobs in (None, 2):
        search = GridSearchCV(estimator(random_state=0), {"alpha": [1e-4, 1]}, cv=2, n_jobs=n_jobs)
        search.fit(X, y)
        found.append((search.cv_results_["mean_test_score"], search.best_estimator_._weights))
    assert_same_bits(found[1], found[0])
