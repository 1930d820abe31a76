"""The forms that X may have: rows of columns, a 3-D array, or a list of sequences."""

from copy import copy
from dataclasses import dataclass
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from sklstm._numbers import refuse_non_numeric
from sklstm._windows import Windows

FLOATS = (np.float64, np.float32)
# scikit-learn's word for any type of numbers.
ANY_NUMBERS = "numeric"
# Of which a set tells sooner whether it has a type.
_FLOATS = frozenset(map(np.dtype, FLOATS))
_PLAIN = int, NoneType


class Expected(NamedTuple):
    """How X is to be read, and what it has to agree with.

    Parameters
    ----------
    estimator : BaseEstimator
        Whom errors name. Unless `in_fit`, its `n_features_in_` and `feature_names_in_` are what
        scikit-learn compares columns with.
    n_timesteps : int or None
        The blocks that a row of 2-D X is cut into; None: a step is a column.
    dtype : dtype, FLOATS or ANY_NUMBERS
        The types that X may have; FLOATS: others become float64.
    list_dtype : dtype or None
        That of a list's sequences, so that none depends on the others' types. None: what `dtype`
        says of all.
    in_fit : bool
        Whether X is what the estimator is fitted on, and not to be compared.
    same_columns : bool
        Unless `in_fit`, whether 2-D X has to have the columns that were seen in fit.
    """

    estimator: BaseEstimator
    n_timesteps: int | None = None
    dtype: Any = FLOATS
    list_dtype: Any = None
    in_fit: bool = True
    same_columns: bool = False

    @property
    def name(self):
        """Of the estimator."""
        return type(self.estimator).__name__


@dataclass(frozen=True, eq=False)
class Form:
    """X as arrays of numbers, which may be NaN or infinite.

    Parameters
    ----------
    source : ndarray or Windows of shape (n_samples, n_timesteps, n_features), or list of ndarray
        The arrays of a list have the shape (n_timesteps_i, n_features).
    columns : dict
        What scikit-learn calls `n_features_in_` and, if there are names, `feature_names_in_`.
        Empty unless X was read in fit.
    from_2d : bool
        Whether X was a row of columns for each sequence.
    """

    source: Any
    columns: dict
    from_2d: bool = False

    def __len__(self):
        return len(self.source)

    @property
    def _array(self):
        return self.source[0] if type(self.source) is list else self.source

    @property
    def n_features(self):
        """Features of a time step."""
        return self._array.shape[-1]

    @property
    def n_timesteps(self):
        """Steps of the array, padding included; None of a list."""
        return None if type(self.source) is list else self.source.shape[1]

    @property
    def dtype(self):
        """The type of all numbers, or of the first array's in a list of ANY_NUMBERS."""
        return self._array.dtype


def read_form(X, expected):
    """X in any of its forms as arrays; copied only where its type has to change.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), list \
            of array-like of shape (n_timesteps_i, n_features), or Windows
    expected : Expected

    Returns
    -------
    form : Form
    """
    if isinstance(X, Windows):
        X = _from_windows(X, expected)
        return Form(X, {"n_features_in_": X.shape[2]} if expected.in_fit else {})
    refuse_non_numeric(X, "X")
    if _is_list_of_sequences(X):
        source = _from_list(X, expected)
        return Form(source, {"n_features_in_": source[0].shape[1]} if expected.in_fit else {})
    n_dimensions = _count_dimensions(X)
    if n_dimensions > 3:
        raise ValueError(
            f"Found array with dim {n_dimensions}, while dim <= 3 is required by {expected.name}."
        )
    if n_dimensions == 3:
        X = _from_3d(X, expected)
        return Form(X, {"n_features_in_": X.shape[2]} if expected.in_fit else {})
    X, columns = _from_2d(X, expected)
    return Form(_as_blocks(X, expected.n_timesteps), columns, from_2d=True)


def kind_of(X, estimator):
    """All that it depends on how a fitted estimator reads X, but for its numbers.

    If one X was read as it is, so is every other of its kind, unless there is NaN or infinity in
    it. To find out anew takes as long as a net does for a row.

    Parameters
    ----------
    X : object
    estimator : BaseEstimator
        Fitted.

    Returns
    -------
    kind : tuple or None
        None: it depends on more than fits here, or there may be something to warn of.
    array : ndarray or None
        The numbers of X.
    """
    in_a_list = type(X) is list and len(X) == 1
    array = X[0] if in_a_list else X
    n_timesteps, seen = estimator.n_timesteps, estimator.n_timesteps_
    if (
        type(array) is not np.ndarray or array.dtype not in _FLOATS
        # Of other objects, not even what is equal to them is known.
        or type(n_timesteps) not in _PLAIN or type(seen) not in _PLAIN
    ):  # fmt: skip
        return None, None
    kind = array.shape, array.dtype, n_timesteps, seen
    if in_a_list:
        of_the_net = array.ndim == 2 and array.dtype == estimator._weights.dtype
        return ("in a list", *kind) if of_the_net else None, array
    # Names are for scikit-learn to compare, and of a column it is said that it may be one sequence.
    if array.ndim == 2 and (seen is None or hasattr(estimator, "feature_names_in_")):
        return None, None
    return kind, array


def _from_windows(X, expected):
    if len(X) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required by "
            f"{expected.name}."
        )
    if expected.dtype is ANY_NUMBERS:
        return np.asarray(X)
    return X if expected.dtype is FLOATS else X.astype(expected.dtype)


def _is_list_of_sequences(X):
    """Whether X is a container of 2-D arrays, and not of numbers or rows."""
    contains = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object)
    if not contains or getattr(X, "ndim", 1) == 0 or len(X) == 0:
        return False
    are_sequences = len(_shape(X[0])) == 2
    if are_sequences or any(getattr(sequence, "ndim", None) == 2 for sequence in X):
        for i, sequence in enumerate(X):
            shape = _shape(sequence)
            if len(shape) != 2:
                raise ValueError(
                    f"X[{i}] must be an array of shape (n_timesteps_i, n_features), as others in "
                    f"the list are, got {f'shape {shape}' if shape else repr(sequence)}."
                )
    return are_sequences


def _shape(sequence):
    """The shape; () of rows of different lengths, which are no array."""
    try:
        return np.shape(sequence)
    except ValueError:
        return ()


def _from_list(X, expected):
    dtype = expected.dtype if expected.list_dtype is None else expected.list_dtype
    arrays = [_as_numbers(sequence, i, dtype) for i, sequence in enumerate(X)]
    if dtype is FLOATS:
        all_single = all(a.dtype.newbyteorder("=") == np.float32 for a in arrays)
        dtype = np.float32 if all_single else np.float64
    if dtype is not ANY_NUMBERS:
        arrays = [np.asarray(array, dtype) for array in arrays]
    n_features = arrays[0].shape[1]
    if n_features == 0:
        raise ValueError("X[0] has 0 features while a minimum of 1 is required.")
    for i, array in enumerate(arrays):
        if array.shape[1] != n_features:
            raise ValueError(
                f"X[{i}] has {array.shape[1]} features, but X[0] has {n_features} features."
            )
    return arrays


def _as_numbers(sequence, i, dtype):
    array = np.asarray(sequence)
    if np.iscomplexobj(array):
        raise ValueError(f"Complex data not supported: X[{i}] has dtype {array.dtype}.")
    if array.dtype.kind not in "fiub":
        try:
            if dtype is ANY_NUMBERS and array.dtype.kind in "SU":
                raise TypeError("scikit-learn reads strings only where it is told the type")
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"X[{i}] must be numbers, got dtype {array.dtype}.") from error
    return array


def _count_dimensions(X):
    holds_objects = isinstance(X, np.ndarray) and X.dtype == object
    if hasattr(X, "ndim") and not holds_objects:
        return X.ndim
    try:
        n_dimensions = np.asarray(X.tolist() if holds_objects else X).ndim
    except ValueError as error:
        raise ValueError(
            "X must be numbers of shape (n_samples, n_columns) or (n_samples, n_timesteps, "
            "n_features), or a list of arrays of shape (n_timesteps_i, n_features); got rows of "
            "different lengths. A sequence of one feature has the shape (n_timesteps_i, 1)."
        ) from error
    if holds_objects and n_dimensions > X.ndim:
        raise ValueError(f"X must be numbers, got an array {X.shape} of lists or arrays.")
    return X.ndim if holds_objects else n_dimensions


def _from_3d(X, expected):
    if _is_float_array(X, expected.dtype) and len(X):
        return X
    return check_array(
        X, dtype=_own_type(X, expected.dtype), allow_nd=True, ensure_min_features=0,
        ensure_all_finite=False, estimator=expected.estimator, input_name="X",
    )  # fmt: skip


def _from_2d(X, expected):
    """2-D X as an array, and what is to be known of its columns."""
    estimator, dtype = expected.estimator, _own_type(X, expected.dtype)
    if expected.in_fit:
        # On which scikit-learn sets what it learns of the columns.
        named = copy(estimator)
        X = validate_data(named, X, reset=True, dtype=dtype, ensure_all_finite=False)
        return X, columns_of(named)
    if _needs_no_validation(X, expected):
        return X, {}
    if expected.same_columns:
        X = validate_data(estimator, X, reset=False, dtype=dtype, ensure_all_finite=False)
    else:
        X = check_array(
            X, dtype=dtype, ensure_all_finite=False, estimator=estimator, input_name="X"
        )
    return X, {}


def columns_of(estimator):
    """What scikit-learn has noted of the columns of X."""
    names = "n_features_in_", "feature_names_in_"
    return {name: vars(estimator)[name] for name in names if name in vars(estimator)}


def _needs_no_validation(X, expected):
    """Whether scikit-learn would return X as it is; on a few rows it takes as long as the net.

    What it would refuse, convert or warn of is left to it.
    """
    return (
        _is_float_array(X, expected.dtype)
        and X.size > 0
        and X.shape[1:] == (expected.estimator.n_features_in_,)
        and not hasattr(expected.estimator, "feature_names_in_")
    )


def _is_float_array(X, dtype):
    return type(X) is np.ndarray and dtype is FLOATS and X.dtype in FLOATS


def _own_type(X, dtype):
    """The types that X may have; a float32 of the other byte order is float32 too."""
    columns = list(getattr(X, "dtypes", [])) or [getattr(X, "dtype", None)]
    if dtype is not FLOATS or not all(isinstance(given, np.dtype) for given in columns):
        return dtype
    # Of a data frame, scikit-learn looks at no byte order.
    if all(given.newbyteorder("=") == np.float32 for given in columns):
        return np.float32
    return dtype if all(given.isnative for given in columns) else np.float64


def _as_blocks(X, n_timesteps):
    """2-D X as (samples, timesteps, features), without a copy."""
    n_columns = X.shape[1]
    if n_timesteps is not None and n_columns % n_timesteps:
        raise ValueError(
            f"X has {n_columns} columns, which n_timesteps={n_timesteps} does not divide: a row of "
            f"2-D X is n_timesteps blocks of features."
            + " If X is one sequence, pass X[np.newaxis]."
            * bool(len(X) == n_timesteps)
        )
    return X.reshape(len(X), n_timesteps or n_columns, -1)
