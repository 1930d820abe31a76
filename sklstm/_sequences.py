"""The forms that X may have, read into one internal form."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from sklstm._kernels.shard import SEQUENCE

FLOATS = (np.float64, np.float32)
# Numbers that are looked at together in the search for NaN, so that a strided view of windows or a
# memory map is never materialised whole.
_BLOCK = 2**20


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
    n_timesteps : int or None
        Steps of the array that they came in, padding included; None for a list.
    source : object
        Whatever owns the memory.
    """

    records: np.ndarray
    dtype: np.dtype
    n_features: int
    n_timesteps: int | None
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


def read_sequences(estimator, X, *, reset, dtype=FLOATS):
    """Validate X in any of its forms.

    Parameters
    ----------
    estimator : BaseLSTM
        Its `n_timesteps` says how to read 2-D X. With `reset`, it is given `n_features_in_` and
        `feature_names_in_`; without, X has to agree with these.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
    reset : bool
    dtype : dtype or tuple of dtypes
        Accepted types; others are converted to the first.

    Returns
    -------
    sequences : Sequences
    """
    if _is_list_of_sequences(X):
        sequences = _from_list(X, dtype)
    elif (n_dimensions := _n_dimensions(X)) == 3:
        sequences = _from_3d(estimator, X, dtype)
    elif n_dimensions > 3:
        raise ValueError(
            f"Found array with dim {n_dimensions}, while dim <= 3 is required by "
            f"{type(estimator).__name__}."
        )
    else:
        return _from_2d(estimator, X, reset, dtype)
    _check_n_timesteps(estimator, sequences)
    if reset:
        estimator.n_features_in_ = sequences.n_features
        vars(estimator).pop("feature_names_in_", None)
    return sequences


def _is_list_of_sequences(X):
    """Whether X is a container of 2-D arrays, and not of numbers or rows."""
    contains = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object)
    return contains and len(X) > 0 and all(np.ndim(sequence) == 2 for sequence in X)


def _n_dimensions(X):
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError as error:
        raise ValueError(
            "X must be numbers of shape (n_samples, n_columns) or (n_samples, n_timesteps, "
            "n_features), or a list of arrays of shape (n_timesteps_i, n_features); got rows of "
            "different lengths."
        ) from error


def _from_2d(estimator, X, reset, dtype):
    if reset or _was_fitted_on_2d(estimator):
        X = validate_data(estimator, X, reset=reset, dtype=dtype)
    else:
        X = check_array(X, dtype=dtype, estimator=estimator, input_name="X")
    n_timesteps, n_columns = estimator.n_timesteps or X.shape[1], X.shape[1]
    if n_columns % n_timesteps:
        raise ValueError(
            f"X has {n_columns} columns, which n_timesteps={n_timesteps} does not divide: a row of "
            f"2-D X is n_timesteps blocks of features."
        )
    X = X.reshape(len(X), n_timesteps, -1)
    return _from_array(X, np.full(len(X), n_timesteps))


def _was_fitted_on_2d(estimator):
    """Whether n_features_in_ counts columns, and not the features of a time step."""
    n_timesteps = estimator.n_timesteps_
    return n_timesteps and estimator.n_features_in_ == n_timesteps * estimator._shape[0]


def _from_3d(estimator, X, dtype):
    X = check_array(
        X, dtype=dtype, allow_nd=True, ensure_min_features=0, ensure_all_finite=False,
        estimator=estimator, input_name="X",
    )  # fmt: skip
    if 0 in X.shape[1:]:
        raise ValueError(
            f"Found array with {X.shape[1]} timestep(s) and {X.shape[2]} feature(s) "
            f"(shape={X.shape}) while a minimum of 1 is required by {type(estimator).__name__}."
        )
    return _from_array(X, _own_lengths(X))


def _from_array(X, lengths):
    """Sequences of an array (samples, timesteps, features) of any strides."""
    records = np.empty(len(X), SEQUENCE)
    start = X.__array_interface__["data"][0]
    records["address"] = start + np.arange(len(X)) * X.strides[0]
    records["step_stride"], records["feature_stride"] = X.strides[1:]
    records["length"] = lengths
    return Sequences(records, X.dtype, X.shape[2], X.shape[1], X)


def _own_lengths(X):
    """The steps of each sequence without the NaN rows at its end; refuses any other NaN."""
    lengths = np.full(len(X), X.shape[1])
    block = max(1, _BLOCK // (X.shape[1] * X.shape[2]))
    for first in range(0, len(X), block):
        finite = np.isfinite(X[first : first + block]).all(axis=(1, 2))
        for i in first + np.flatnonzero(~finite):
            padding = np.isnan(X[i]).all(axis=1)
            lengths[i] = X.shape[1] - np.argmin(padding[::-1]) if not padding.all() else 0
            _check_sequence(X[i, : lengths[i]], i)
    return lengths


def _from_list(X, dtype):
    arrays = [np.asarray(sequence) for sequence in X]
    if isinstance(dtype, tuple):
        dtype = np.float32 if all(a.dtype == np.float32 for a in arrays) else np.float64
    n_features = arrays[0].shape[1]
    for i, array in enumerate(arrays):
        if np.iscomplexobj(array):
            raise ValueError(f"Complex data not supported: X[{i}] has dtype {array.dtype}.")
        arrays[i] = array = np.asarray(array, dtype)
        if array.shape[1] != n_features:
            raise ValueError(
                f"X[{i}] has {array.shape[1]} features, but X[0] has {n_features} features."
            )
        _check_sequence(array, i)
    if n_features == 0:
        raise ValueError("X[0] has 0 features while a minimum of 1 is required.")
    records = np.empty(len(arrays), SEQUENCE)
    for record, array in zip(records, arrays, strict=True):
        record["address"] = array.__array_interface__["data"][0]
        record["step_stride"], record["feature_stride"] = array.strides
        record["length"] = len(array)
    return Sequences(records, np.dtype(dtype), n_features, None, arrays)


def _check_sequence(sequence, i):
    """Refuse a sequence without steps, or with NaN or infinity inside."""
    if len(sequence) == 0:
        raise ValueError(f"X[{i}] has 0 timesteps while a minimum of 1 is required.")
    finite = np.isfinite(sequence).all(axis=1)
    if not finite.all():
        t = np.argmin(finite)
        what = "NaN" if np.isnan(sequence[t]).any() else "infinity"
        raise ValueError(f"Input X contains {what}: X[{i}], at timestep {t}.")


def _check_n_timesteps(estimator, sequences):
    wanted, lengths = estimator.n_timesteps, sequences.records["length"]
    if wanted is not None and (lengths != wanted).any():
        i = np.argmax(lengths != wanted)
        raise ValueError(
            f"X[{i}] has {lengths[i]} timesteps, but {type(estimator).__name__} was given "
            f"n_timesteps={wanted}."
        )
