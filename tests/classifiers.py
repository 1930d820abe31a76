"""What tests of LSTMClassifier share: a small one, classes, and what it predicts."""

import numpy as np
import pytest
from conftest import small_net

from sklstm import LSTMClassifier
from sklstm._network.parameters import Architecture, named_views

# What is computed twice from the same bits differs by the rounding of a sum or an exponential.
ROUNDING = {"rtol": 1e-12, "atol": 1e-12}
PREDICTIONS = "predict", "predict_proba", "predict_log_proba", "decision_function"

LETTERS = np.array(list("abc"))

for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
for_two_and_more_classes = pytest.mark.parametrize("n_classes", [2, 3, 5])


def small_classifier(**parameters):
    """A classifier whose fit takes milliseconds."""
    shared = small_net().get_params()
    defaults = {name: shared[name] for name in LSTMClassifier().get_params().keys() & shared.keys()}
    return LSTMClassifier(**defaults | parameters)


def set_head(model, weights, bias):
    """Give a fitted net another dense layer."""
    views = named_views(Architecture(*model._shape), model._weights)
    views["output_weights"][:], views["output_bias"][:] = weights, bias


def classes_of(X3, n_classes):
    """Labels 0, 1, ... that the last step explains, of about the same number each."""
    signal = X3[:, -1, 0] + X3[:, -2, 1]
    return np.digitize(signal, np.quantile(signal, np.arange(1, n_classes) / n_classes))


@pytest.fixture(name="y")
def three_classes(X3):
    """Labels 0, 1 and 2."""
    return classes_of(X3, 3)


@pytest.fixture(name="y2")
def two_classes(X3):
    """Labels 0 and 1, as different from `y` as they must be."""
    return classes_of(X3, 2)
