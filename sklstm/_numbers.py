"""What would be read as numbers, and is none: times, records, and what lies under a mask."""

from numbers import Number
from types import NoneType

import numpy as np

from sklstm._frames import TIMES, refuse_column

# What is the number that it says, or is refused when an array is made of it. An abstract class is
# asked last, since that takes longer.
_PLAIN = float, int, str, bytes, NoneType, np.bool_, Number


def refuse_non_numeric(X, name):
    """Refuse X if there is anything in it that is not meant as a number.

    Parameters
    ----------
    X : object
        An array, series or data frame, or lists or arrays of objects that hold such, or numbers.
        Words are left to NumPy, except those of columns.
    name : str
        What the user calls X.
    """
    for part, its_name in _suspects(X, name):
        _refuse_hidden(part, its_name)
        refuse_column(part, its_name)


def refuse_hidden(labels, name):
    """Refuse records and masked entries, but not words and times, which labels may be."""
    for part, its_name in _suspects(labels, name):
        _refuse_hidden(part, its_name)


def _suspects(X, name):
    """Yield what X holds that may have to be refused, or X itself, each with its name."""
    if isinstance(X, np.ndarray) and X.dtype == object:
        yield X, name
        X = X.tolist()
    if isinstance(X, list | tuple):
        # Most lists hold one type, or two: not every number is looked at.
        suspicious = {kind for kind in set(map(type, X)) if _is_suspicious(kind)}
        for i, entry in enumerate(X) if suspicious else ():
            if type(entry) in suspicious:
                yield from _suspects(entry, f"{name}[{i}]")
    elif type(X) is not np.ndarray or X.dtype.kind in "mMV":
        yield X, name


def _is_suspicious(kind):
    # A timedelta64 says that it is an integer.
    return issubclass(kind, TIMES) or not issubclass(kind, _PLAIN)


def _refuse_hidden(X, name):
    dtype = getattr(X, "dtype", None)
    # Other numbers that NumPy does not know, such as bfloat16, are of the kind V too.
    if isinstance(dtype, np.dtype) and issubclass(dtype.type, np.void):
        raise ValueError(
            f"{name} must not be records, got dtype {dtype}: take one of their fields, or make "
            "columns of all with numpy.lib.recfunctions.structured_to_unstructured."
        )
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} must have no masked entries, got {np.ma.count_masked(X)} of {X.size}: fill "
            f"them with what is meant, as {name}.filled(value) does, or leave them out."
        )
