"""What tests of exchange share: fitted nets of every kind, and what they answer."""

import doctest
import inspect

import numpy as np

from sklstm import LSTMClassifier, LSTMRegressor

N_SAMPLES, N_TIMESTEPS, N_FEATURES = 30, 6, 3
RNG = np.random.RandomState(0)
# With such offsets, who folds their scale into weights loses digits of float32.
ARRAY = 1e4 + RNG.normal(size=(N_SAMPLES, N_TIMESTEPS, N_FEATURES)) * [1, 10, 0.1]
LENGTHS = RNG.randint(1, N_TIMESTEPS + 1, N_SAMPLES)
PADDED = ARRAY.copy()
for sequence, length in zip(PADDED, LENGTHS, strict=True):
    sequence[length:] = np.nan

TARGETS = RNG.normal(size=(N_SAMPLES, N_TIMESTEPS, 2))
LABELS = RNG.randint(3, size=(N_SAMPLES, N_TIMESTEPS))
WORDS = np.array(["fall", "rest", "rise"])
# What a net predicts, and from which y it has learned to.
KINDS = {
    "one output": ({}, TARGETS[..., 0]),
    "several outputs": ({}, 10 + 3 * TARGETS),
    "counts": ({"loss": "poisson"}, np.floor(np.exp(TARGETS[..., 0]))),
    "a quantile": ({"loss": "quantile", "quantile": 0.9}, TARGETS[..., 0]),
    "quantiles": ({"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}, TARGETS[..., 0]),
    "quantiles of several outputs": ({"loss": "quantile", "quantile": [0.2, 0.8]}, TARGETS),
    "gaussian": ({"loss": "gaussian"}, 10 + 3 * TARGETS[..., 0]),
    "gaussian of several outputs": ({"loss": "gaussian"}, TARGETS),
    "two classes": (None, LABELS > 0),
    "three classes": (None, WORDS[LABELS]),
}
NETS = {
    "one layer": {"hidden_layer_sizes": 4},
    "equal layers": {"hidden_layer_sizes": (4, 4)},
    "layers": {"hidden_layer_sizes": (5, 3)},
    "both directions": {"hidden_layer_sizes": 4, "bidirectional": True},
    "deep both directions": {"hidden_layer_sizes": (3, 3, 2), "bidirectional": True},
}
POOLINGS = ["last", "mean", "max", None]
# Both compute in this type, and round sums in another order.
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}


def fitted(kind, dtype=np.float64, **parameters):
    """An estimator of a kind, fitted for an epoch on sequences of different lengths."""
    special, y = KINDS[kind]
    parameters = {"max_iter": 1, "random_state": 0, "hidden_layer_sizes": 4} | parameters
    model = LSTMClassifier() if special is None else LSTMRegressor(**special)
    model.set_params(**parameters)
    if model.pooling is None:
        labels = [each[:length] for each, length in zip(y, LENGTHS, strict=True)]
        return model.fit(PADDED.astype(dtype), labels)
    return model.fit(PADDED.astype(dtype), y[:, 0])


def answers(model, X):
    """Numbers that others can give too."""
    return (model.predict_proba if hasattr(model, "classes_") else model.predict)(X)


def close(actual, expected, tolerance):
    """Whether all numbers are as near as the tolerance, relative to 1 or to what is larger."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def run_examples(function, names):
    """Run the example of a docstring, those lines too that need what may not be installed."""
    parser = doctest.DocTestParser()
    test = parser.get_doctest(inspect.getdoc(function), names, function.__name__, None, 0)
    for example in test.examples:
        example.options.pop(doctest.SKIP, None)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    assert runner.run(test).failed == 0
    assert runner.tries > 0
