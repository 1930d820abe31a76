"""Random nets of every kind that can be exchanged, fitted for a moment, with sequences for them."""

import doctest
import inspect
from typing import Any, NamedTuple

import numpy as np

from sklstm import LSTMClassifier, LSTMRegressor

KINDS = (
    "squared_error", "absolute_error", "huber", "poisson", "gaussian", "quantile", "quantiles",
    "two classes", "classes",
)  # fmt: skip
POOLINGS = "last", "mean", "max", None
# What is promised. Errors are relative to the largest number of all predictions: single ones may be
# sums that cancel.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


def regressor(units=4, **parameters):
    """Whose fit takes milliseconds."""
    return LSTMRegressor(units, **{"max_iter": 2, "random_state": 0} | parameters)


def classifier(units=4, **parameters):
    """Whose fit takes milliseconds."""
    return LSTMClassifier(units, **{"max_iter": 2, "random_state": 0} | parameters)


class Case(NamedTuple):
    """A fitted net, sequences padded with NaN, and how many steps each of them has."""

    model: Any
    X: np.ndarray
    lengths: np.ndarray
    kind: str

    @property
    def are_equal(self):
        return bool((self.lengths == self.X.shape[1]).all())

    @property
    def answers(self):
        """Under the names that outputs have."""
        model, X = self.model, self.X
        if isinstance(model, LSTMClassifier):
            return {"label": model.predict(X), "probabilities": model.predict_proba(X)}
        if self.kind == "gaussian":
            return dict(zip(("variable", "std"), model.predict(X, return_std=True), strict=True))
        return {"variable": model.predict(X)}


def random_case(seed, **chosen):
    """A net whose every property is drawn, but for those that are chosen."""
    rng = np.random.RandomState(seed)
    choose = {
        "kind": KINDS[seed % len(KINDS)],
        "pooling": POOLINGS[rng.randint(4)],
        "bidirectional": bool(rng.randint(2)),
        "dtype": ("float32", "float64")[rng.randint(2)],
        "units": tuple(rng.randint(1, 12, rng.randint(1, 4)).tolist()),
        "n_outputs": rng.randint(1, 4),
        "normalize_X": bool(rng.randint(4)),
        "normalize_y": bool(rng.randint(4)),
        "are_equal": bool(rng.randint(2)),
    } | chosen
    n_samples, n_timesteps, n_features = 14, rng.randint(1, 12), rng.randint(1, 5)
    X = rng.normal(size=(n_samples, n_timesteps, n_features))
    y = _targets(choose["kind"], X if choose["pooling"] is None else X.mean(axis=1), choose, rng)
    if choose["normalize_X"]:
        # Units in which sensors come.
        X = X * 10.0 ** rng.uniform(-3, 3, n_features) + 10.0 ** rng.uniform(-3, 2, n_features)
    X = X.astype(choose["dtype"])
    lengths = np.full(n_samples, n_timesteps)
    if not choose["are_equal"]:
        lengths = rng.permutation(np.arange(n_samples) % n_timesteps + 1)
        X[np.arange(n_timesteps) >= lengths[:, np.newaxis]] = np.nan
    model = _model(choose).fit(X, y)
    return Case(model, X, lengths, choose["kind"])


def _model(choose):
    settings = {
        "hidden_layer_sizes": choose["units"],
        "bidirectional": choose["bidirectional"],
        "pooling": choose["pooling"],
        "normalize_X": choose["normalize_X"],
        # Some large steps, so that nothing is as it starts.
        "learning_rate_init": 0.1,
        "max_iter": 3,
        "random_state": 0,
    }
    if choose["kind"].endswith("classes"):
        return LSTMClassifier(**settings)
    settings["normalize_y"] = choose["normalize_y"]
    if choose["kind"].startswith("quantile"):
        quantile = [0.1, 0.4, 0.5, 0.9] if choose["kind"] == "quantiles" else 0.9
        return LSTMRegressor(loss="quantile", quantile=quantile, **settings)
    return LSTMRegressor(loss=choose["kind"], **settings)


def _targets(kind, signal, choose, rng):
    """Targets for each row, or for each step, of `signal` (..., n_features)."""
    if kind == "two classes":
        low, high = [(0, 1), (False, True), ("down", "up")][rng.randint(3)]
        return np.where(_ranks(signal) >= 0.5, high, low)
    if kind == "classes":
        labels = [np.arange(3) * 5, np.array(["a", "bc", "däf", "e"])][rng.randint(2)]
        return labels[(_ranks(signal) * len(labels)).astype(int)]
    mix = signal @ rng.normal(size=(signal.shape[-1], choose["n_outputs"]))
    if kind == "poisson":
        return _of_one(np.floor(np.exp(mix) + 1))
    return _of_one(10 * mix + 3)


def _ranks(signal):
    """From 0 to below 1, evenly."""
    flat = signal[..., 0].ravel()
    return (flat.argsort().argsort() / len(flat)).reshape(signal.shape[:-1])


def _of_one(y):
    return y[..., 0] if y.shape[-1] == 1 else y


def assert_example_runs(function):
    """The example of a docstring, with the lines that a missing package would have skipped."""
    (test,) = doctest.DocTestFinder(recurse=False).find(inspect.unwrap(function))
    for example in test.examples:
        example.options.pop(doctest.SKIP, None)
    output = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    results = doctest.DocTestRunner(optionflags=flags).run(test, out=output.append)
    assert results.failed == 0, "".join(output)
    assert results.attempted == len(test.examples) > 0


def assert_answers(actual, case, tolerance):
    """What another runtime answers is what the estimator does."""
    expected = case.answers
    assert actual.keys() == expected.keys()
    for name, wanted in expected.items():
        assert actual[name].shape == wanted.shape
        if name != "label":
            assert_near(actual[name], wanted, tolerance)
    if "label" in expected:
        assert_labels(actual["label"], case, tolerance)


def assert_near(actual, expected, tolerance):
    """Relative to the largest number; NaN where there is NaN."""
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    error = np.nanmax(np.abs(actual.astype(np.float64) - expected))
    assert error <= tolerance * np.nanmax(np.abs(expected))


def assert_labels(actual, case, tolerance):
    """Where no two classes are as likely as each other, as far as there are steps."""
    probabilities = np.sort(case.answers["probabilities"], axis=-1)
    certain = probabilities[..., -1] - probabilities[..., -2] > tolerance
    assert certain.any()
    expected = case.answers["label"][certain]
    assert actual[certain].tolist() == [getattr(e, "tolist", lambda e=e: e)() for e in expected]
