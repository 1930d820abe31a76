"""The forms that X may have, read into one internal form."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from sklstm._kernels.shard import SEQUENCE

FLOATS = (np.float64, np.float32)


@dataclass(frozen=True)
class Sequences:
    """Sequences as they lie in memory: nothing is copied until a minibatch is gathered.

    Parameters
    ----------
    records : ndarray of SEQUENCE, of shape (n_samples,)
        Where each sequence is, and its length.
    dtype : dtype
        float32 or float64.
    n_features : int
        Features of a time step.
    source : object
        Whatever owns the memory.
    """

    records: np.ndarray
    dtype: np.dtype
    n_features: int
    source: object

    def __len__(self):
        return len(self.records)

    @property
    def longest(self):
        """Steps of the longest sequence."""
        return int(self.records["length"].max())

    @property
    def equal_lengths(self):
        """Whether all sequences have the same number of steps."""
        return bool((self.records["length"] == self.records["length"][0]).all())


def from_array(X):
    """Sequences of one length, from an array (samples, timesteps, features) of any strides."""
    n_samples, n_timesteps, n_features = X.shape
    records = np.empty(n_samples, SEQUENCE)
    start = X.__array_interface__["data"][0]
    records["address"] = start + np.arange(n_samples) * X.strides[0]
    records["step_stride"], records["feature_stride"] = X.strides[1:]
    records["length"] = n_timesteps
    return Sequences(records, X.dtype, n_features, X)


def read_sequences(estimator, X, *, reset, dtype=FLOATS):
    """Validate X in any of its forms.

    Parameters
    ----------
    estimator : BaseLSTM
        Its `n_timesteps` says how to read 2-D X. With `reset`, it is given `n_features_in_` and
        `feature_names_in_`; without, X has to agree with these.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features)
    reset : bool
    dtype : dtype or tuple of dtypes
        Accepted types; others are converted to the first.

    Returns
    -------
    sequences : Sequences
    """
    if _n_dimensions(X) == 3:
        return from_array(_check_3d(estimator, X, reset, dtype))
    if reset or _was_fitted_on_2d(estimator):
        X = validate_data(estimator, X, reset=reset, dtype=dtype)
    else:
        X = check_array(X, dtype=dtype, estimator=estimator, input_name="X")
    return from_array(X.reshape(len(X), _count_timesteps(estimator, X.shape[1]), -1))


def _n_dimensions(X):
    return X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim


def _was_fitted_on_2d(estimator):
    """Whether n_features_in_ counts columns, and not the features of a time step."""
    n_timesteps = estimator.n_timesteps_
    return n_timesteps and estimator.n_features_in_ == n_timesteps * estimator._shape[0]


def _check_3d(estimator, X, reset, dtype):
    X = check_array(
        X, dtype=dtype, allow_nd=True, ensure_min_features=0, estimator=estimator, input_name="X"
    )
    _, n_timesteps, n_features = X.shape
    name = type(estimator).__name__
    if n_timesteps == 0 or n_features == 0:
        raise ValueError(
            f"Found array with {n_timesteps} timestep(s) and {n_features} feature(s) "
            f"(shape={X.shape}) while a minimum of 1 is required by {name}."
        )
    if estimator.n_timesteps not in (None, n_timesteps):
        raise ValueError(
            f"X has {n_timesteps} timesteps (shape={X.shape}), but {name} was given "
            f"n_timesteps={estimator.n_timesteps}."
        )
    if reset:
        estimator.n_features_in_ = n_features
        vars(estimator).pop("feature_names_in_", None)
    return X


def _count_timesteps(estimator, n_columns):
    """How many time steps a row of `n_columns` holds."""
    n_timesteps = estimator.n_timesteps
    if n_timesteps is None:
        return n_columns
    if n_columns % n_timesteps:
        raise ValueError(
            f"X has {n_columns} columns, which n_timesteps={n_timesteps} does not divide: a row of "
            f"2-D X is n_timesteps blocks of features."
        )
    return n_timesteps
