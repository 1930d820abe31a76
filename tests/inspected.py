"""Nets to look inside of: fitted for a moment, on every form of X; and slow answers about them."""

from types import SimpleNamespace

import numpy as np
import reference
from sklearn.pipeline import make_pipeline

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer
from sklstm._network.parameters import architecture_of, named_views
from sklstm.inspection import integrated_gradients

STEPS, FEATURES = 7, 3
FORMS = "3-D", "padded", "list", "2-D"
LABELS = np.array(["a", "b", "c"])


def numbers(n=9, dtype=np.float64, seed=0):
    """Features of different offsets and spreads."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, STEPS, FEATURES)) * [1, 0.2, 5] + [0, 3, -10]
    return X.astype(dtype)


def lengths_of(form, n):
    return np.arange(n) % STEPS + 1 if form in ("padded", "list") else np.full(n, STEPS)


def in_form(X, form):
    """3-D numbers as the form has them; only as many steps as `lengths_of` says."""
    lengths = lengths_of(form, len(X))
    if form == "list":
        return [x[:length] for x, length in zip(X, lengths, strict=True)]
    if form == "2-D":
        return X.reshape(len(X), -1)
    X = X.copy()
    X[np.arange(X.shape[1]) >= lengths[:, np.newaxis]] = np.nan
    return X


def padded(answer):
    """What was answered in any form, as an array with NaN on padding: the list's for comparison."""
    if not isinstance(answer, list):
        return answer.reshape(len(answer), STEPS, -1)
    result = np.full((len(answer), STEPS, answer[0].shape[1]), np.nan, answer[0].dtype)
    for row, of_sequence in zip(result, answer, strict=True):
        row[: len(of_sequence)] = of_sequence
    return result


def fitted(form="3-D", dtype=np.float64, transformers=(), estimator=LSTMRegressor, **parameters):
    """A net with 60 rows of its form behind it."""
    X = numbers(60, dtype, seed=1)
    parameters = {"hidden_layer_sizes": (6, 5), "max_iter": 3, "random_state": 0} | parameters
    n_outputs = parameters.pop("n_outputs", 1)
    if estimator is LSTMClassifier:
        n_outputs = max(n_outputs, 2)
        y = LABELS[np.searchsorted([-0.5, 0.5][: n_outputs - 1], X[:, :, 0])]
    else:
        y = np.abs(X[:, :, :n_outputs]) if n_outputs > 1 else np.abs(X[:, :, 0])
    if parameters.get("pooling", "last") is not None:
        y = y[:, 0]
    elif form == "list":
        y = [of[:length] for of, length in zip(y, lengths_of(form, 60), strict=True)]
    n_timesteps = STEPS if form == "2-D" else None
    net = estimator(n_timesteps=n_timesteps, **parameters)
    parts = [TimestepTransformer(each, n_timesteps=n_timesteps) for each in transformers]
    model = make_pipeline(*parts, net) if parts else net
    return model.fit(in_form(X, form), y)


def twin(net, X, lengths):
    """The raw outputs of the slow twin and its trace, on 3-D numbers as they are, in float64."""
    architecture = architecture_of(net._shape)
    mean, inverse_deviation = net._scaling
    scaled = (X.astype(np.float64) - mean) * inverse_deviation
    raw, trace = reference.forward(
        scaled, named_views(architecture, net._weights.astype(np.float64)),
        bidirectional=architecture.bidirectional, pooling=architecture.pooling, lengths=lengths,
    )  # fmt: skip
    return SimpleNamespace(raw=raw, trace=trace, unit=inverse_deviation)


def numerical_gradient(function, X, exists, step=1e-5):
    """Central differences of a number for each row of 3-D X, a step and a feature at a time."""
    gradient = np.full(X.shape, np.nan)
    for t, k in np.ndindex(X.shape[1:]):
        moved = [X.copy(), X.copy()]
        moved[0][:, t, k] -= step
        moved[1][:, t, k] += step
        below, above = map(function, moved)
        gradient[:, t, k] = (above - below) / (2 * step)
    gradient[~exists] = np.nan
    return gradient


# What was agreed, of the largest difference.
COMPLETE = 1e-6


def sums(attributions):
    return np.nansum(padded(attributions).astype(np.float64), axis=(1, 2))


def assert_adds_up(model, form, function, output=0, baseline=None, transformers=(), **options):
    """And no warning says that something is missing."""
    X = in_form(numbers(), form)
    given = integrated_gradients(model, X, baseline=baseline, output=output, **options)
    assert isinstance(given, list) == (form == "list")
    start = baseline
    if baseline is None:
        start = (model[-1] if transformers else model)._scaling[0]
        for transformer in reversed(transformers):
            start = transformer.inverse_transform(start[np.newaxis])[0]
    start = np.broadcast_to(start, (9, STEPS, FEATURES))
    difference = function(X) - function(in_form(start, form))
    error = np.abs(sums(given) - difference).max()
    assert error <= COMPLETE * np.abs(difference).max()
    exists = np.arange(STEPS) < lengths_of(form, 9)[:, np.newaxis]
    np.testing.assert_array_equal(np.isnan(padded(given)).all(axis=2), ~exists)
