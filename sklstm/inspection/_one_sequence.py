"""One sequence of X, in the form of X; and what its features are called."""

import re
from itertools import takewhile


def one_of(X, sample, name="sample"):
    """One of the sequences of X, as X of one sequence.

    Parameters
    ----------
    X : array-like or list of array-like
        In any form that `estimator.predict` takes.
    sample : int
        Negative: counted from the end.
    name : str
        What the user calls it.

    Returns
    -------
    X : array-like or list of array-like
    place : int
        Its place, counted from the start.
    """
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    try:
        place = range(n_samples)[sample]
    except (IndexError, TypeError) as error:
        raise ValueError(
            f"{name} must be an int from {-n_samples} to {n_samples - 1}, of the {n_samples} "
            f"sequences of X, got {sample!r}."
        ) from error
    rows = X.iloc if hasattr(X, "iloc") else X
    return rows[place : place + 1], place


def feature_names_of(estimator, X, n_features):
    """What a step's features are called: by the columns of the sequence, or by those seen in fit.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
    X : array-like or list of array-like
        Of one sequence.
    n_features : int

    Returns
    -------
    names : list of str
    """
    seen = getattr(estimator, "feature_names_in_", ())
    columns = getattr(X[0], "columns", seen) if isinstance(X, list | tuple) else seen
    names = [str(name) for name in columns]
    if len(names) > n_features and len(names) % n_features == 0:
        # The columns of a table, step after step: what those of a feature have in common.
        names = [_stem(names[feature::n_features]) for feature in range(n_features)]
    if len(names) != n_features or not all(names):
        names = [f"feature {feature}" for feature in range(n_features)]
    return names


def _stem(names):
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return re.sub(r"[\W_]*\d*$", "", "".join(letters[0] for letters in alike))
