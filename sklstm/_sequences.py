"""The forms that X may have, read into one internal form."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array, validate_data

from sklstm._kernels.shard import SEQUENCE
from sklstm._numbers import refuse_non_numeric

FLOATS = (np.float64, np.float32)
# Numbers that are looked at together in the search for NaN, so that a strided view of windows or a
# memory map is never materialised whole.
_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
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
    source : ndarray of shape (n_samples, n_timesteps, n_features), or list of ndarray
        What owns the memory.
    from_2d : bool
        Whether they came as a row of columns each.
    scaling : ndarray of shape (2, n_features)
        What is subtracted from features where they are gathered, and what multiplies them then.
    """

    records: np.ndarray
    dtype: np.dtype
    n_features: int
    n_timesteps: int | None
    source: object
    from_2d: bool = False
    scaling: np.ndarray | None = None

    def __len__(self):
        return len(self.records)

    @cached_property
    def longest(self):
        """Steps of the longest sequence."""
        return int(self.records["length"].max())

    @cached_property
    def equal_lengths(self):
        """Whether all sequences have the same number of steps."""
        return int(self.records["length"].min()) == self.longest


def read_sequences(estimator, X, *, reset, dtype=FLOATS):
    """Validate X in any of its forms: its shape and type, then its numbers.

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
    return check_numbers(estimator, read_form(estimator, X, reset=reset, dtype=dtype))


def read_form(estimator, X, *, reset, dtype=FLOATS):
    """As `read_sequences`, but no number is looked at: padding still counts as steps."""
    refuse_non_numeric(X, "X")
    if is_list_of_sequences(X):
        # A prediction must not depend on the types of the other sequences.
        sequences = _from_list(X, dtype if reset or dtype != FLOATS else estimator._weights.dtype)
    elif (n_dimensions := count_dimensions(X)) == 3:
        sequences = _from_3d(estimator, X, dtype)
    elif n_dimensions > 3:
        raise ValueError(
            f"Found array with dim {n_dimensions}, while dim <= 3 is required by "
            f"{type(estimator).__name__}."
        )
    else:
        return _from_2d(estimator, X, reset, dtype)
    if reset:
        estimator.n_features_in_ = sequences.n_features
        vars(estimator).pop("feature_names_in_", None)
    return sequences


def check_numbers(estimator, sequences, moments=None):
    """Sequences without their padding; refuses NaN and infinity.

    Parameters
    ----------
    estimator : BaseLSTM
    sequences : Sequences
        As of `read_form`.
    moments : FeatureMoments or None
        To which they are added, block by block, while they are in the cache.

    Returns
    -------
    sequences : Sequences
    """
    records = sequences.records
    # A list may hold nothing but sequences without a step, which are refused below.
    longest = sequences.n_timesteps or max(1, int(records["length"].max()))
    block = max(1, _BLOCK // (longest * sequences.n_features))
    for first in range(0, len(records), block):
        some = slice(first, first + block)
        part = sequences.source[some]
        if sequences.n_timesteps is None:
            _check_arrays(part, first)
        elif not np.isfinite(part).all():
            records["length"][some] = _own_lengths(estimator, sequences, part, first)
        if moments is not None:
            moments.add(records[some], first, sequences.dtype)
    if not sequences.from_2d and estimator.n_timesteps is not None:
        check_n_timesteps(estimator, records["length"])
    return sequences


def is_list_of_sequences(X):
    """Whether X is a container of 2-D arrays, and not of numbers or rows."""
    contains = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object)
    if not contains or len(X) == 0:
        return False
    are_sequences = np.ndim(X[0]) == 2
    if are_sequences or any(getattr(sequence, "ndim", None) == 2 for sequence in X):
        for i, sequence in enumerate(X):
            if np.ndim(sequence) != 2:
                shape = np.shape(sequence)
                raise ValueError(
                    f"X[{i}] must be an array of shape (n_timesteps_i, n_features), as others in "
                    f"the list are, got {f'shape {shape}' if shape else repr(sequence)}."
                )
    return are_sequences


def count_dimensions(X):
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError as error:
        raise ValueError(
            "X must be numbers of shape (n_samples, n_columns) or (n_samples, n_timesteps, "
            "n_features), or a list of arrays of shape (n_timesteps_i, n_features); got rows of "
            "different lengths. A sequence of one feature has the shape (n_timesteps_i, 1)."
        ) from error


def _from_2d(estimator, X, reset, dtype):
    if reset or not _is_as_in_fit(estimator, X, dtype):
        own = _own_type(X, dtype)
        if reset or _was_fitted_on_2d(estimator):
            X = validate_data(estimator, X, reset=reset, dtype=own, ensure_all_finite=False)
        else:
            X = check_array(
                X, dtype=own, ensure_all_finite=False, estimator=estimator, input_name="X"
            )
    X = as_blocks(X, estimator.n_timesteps)
    return _from_array(X, from_2d=True)


def _is_as_in_fit(estimator, X, dtype):
    """Whether `validate_data` would return X as it is; on a few rows it takes as long as the net.

    What it would refuse, convert or warn of is left to it.
    """
    return (
        _is_float_array(X, dtype)
        and X.size > 0
        and X.shape[1:] == (estimator.n_features_in_,)
        and not hasattr(estimator, "feature_names_in_")
    )


def _is_float_array(X, dtype):
    return type(X) is np.ndarray and dtype is FLOATS and X.dtype in FLOATS


def _own_type(X, dtype):
    """The types that X may have; a float32 of the other byte order is float32 too."""
    given = getattr(X, "dtype", None)
    if dtype is FLOATS and isinstance(given, np.dtype) and given.newbyteorder("=") == np.float32:
        return np.float32
    return dtype


def as_blocks(X, n_timesteps):
    """2-D X as (samples, timesteps, features), without a copy; None: a step is a column."""
    n_columns = X.shape[1]
    if n_timesteps is not None and n_columns % n_timesteps:
        raise ValueError(
            f"X has {n_columns} columns, which n_timesteps={n_timesteps} does not divide: a row of "
            f"2-D X is n_timesteps blocks of features."
            + " If X is one sequence, pass X[np.newaxis]."
            * (len(X) == n_timesteps)
        )
    return X.reshape(len(X), n_timesteps or n_columns, -1)


def _was_fitted_on_2d(estimator):
    """Whether n_features_in_ counts columns, and not the features of a time step."""
    n_timesteps = estimator.n_timesteps_
    return n_timesteps and estimator.n_features_in_ == n_timesteps * estimator._shape[0]


def _from_3d(estimator, X, dtype):
    if not (_is_float_array(X, dtype) and len(X)):
        X = check_array(
            X, dtype=_own_type(X, dtype), allow_nd=True, ensure_min_features=0,
            ensure_all_finite=False, estimator=estimator, input_name="X",
        )  # fmt: skip
    if 0 in X.shape[1:]:
        raise ValueError(
            f"Found array with {X.shape[1]} timestep(s) and {X.shape[2]} feature(s) "
            f"(shape={X.shape}) while a minimum of 1 is required by {type(estimator).__name__}."
        )
    return _from_array(X)


def _from_array(X, from_2d=False):
    """Sequences of an array (n_samples, n_timesteps, n_features) of any strides."""
    records = np.empty(len(X), SEQUENCE)
    start = X.__array_interface__["data"][0]
    records["address"] = start + np.arange(len(X), dtype=np.int64) * X.strides[0]
    records["step_stride"], records["feature_stride"] = X.strides[1:]
    records["length"] = X.shape[1]
    return Sequences(records, X.dtype, X.shape[2], X.shape[1], X, from_2d)


def _own_lengths(estimator, sequences, part, first):
    """The steps of sequences without the NaN rows at their ends; refuses any other NaN."""
    if sequences.from_2d:
        assert_all_finite(part, estimator_name=type(estimator).__name__, input_name="X")
    n_timesteps = part.shape[1]
    padding = np.isnan(part).all(axis=2)
    own = np.where(padding.all(axis=1), 0, n_timesteps - np.argmin(padding[:, ::-1], axis=1))
    inside = np.isfinite(part).all(axis=2).sum(axis=1)
    for i in np.flatnonzero((inside != own) | (own == 0))[:1]:
        _check_sequence(part[i, : own[i]], first + i)
    return own


def _from_list(X, dtype):
    arrays = [_check_numeric(sequence, i) for i, sequence in enumerate(X)]
    if isinstance(dtype, tuple):
        all_single = all(a.dtype.newbyteorder("=") == np.float32 for a in arrays)
        dtype = np.float32 if all_single else np.float64
    arrays = [np.asarray(array, dtype) for array in arrays]
    n_features = arrays[0].shape[1]
    if n_features == 0:
        raise ValueError("X[0] has 0 features while a minimum of 1 is required.")
    for i, array in enumerate(arrays):
        if array.shape[1] != n_features:
            raise ValueError(
                f"X[{i}] has {array.shape[1]} features, but X[0] has {n_features} features."
            )
    records = np.array(
        [(a.__array_interface__["data"][0], *a.strides, len(a)) for a in arrays], SEQUENCE
    )
    return Sequences(records, np.dtype(dtype), n_features, None, arrays)


def _check_arrays(arrays, first):
    for i, array in enumerate(arrays, first):
        if len(array) == 0 or not np.isfinite(array).all():
            _check_sequence(array, i)


def _check_numeric(sequence, i):
    array = np.asarray(sequence)
    if np.iscomplexobj(array):
        raise ValueError(f"Complex data not supported: X[{i}] has dtype {array.dtype}.")
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X[{i}] must be numbers, got dtype {array.dtype}.") from error
    return array


def _check_sequence(sequence, i):
    """Refuse a sequence without steps, or with NaN or infinity inside."""
    if len(sequence) == 0:
        raise ValueError(f"X[{i}] has 0 timesteps while a minimum of 1 is required.")
    finite = np.isfinite(sequence).all(axis=1)
    if not finite.all():
        t = np.argmin(finite)
        what = "NaN" if np.isnan(sequence[t]).any() else "infinity"
        raise ValueError(f"Input X contains {what}: X[{i}], at timestep {t}.")


def check_n_timesteps(estimator, lengths):
    """Refuse sequences of other lengths than the parameter says."""
    wanted = estimator.n_timesteps
    if wanted is not None and (lengths != wanted).any():
        i = np.argmax(lengths != wanted)
        raise ValueError(
            f"X[{i}] has {lengths[i]} timesteps, but {type(estimator).__name__} was given "
            f"n_timesteps={wanted}."
        )
