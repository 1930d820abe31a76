"""The same numbers in other layouts of memory; a `folder` is for those that lie in a file."""

import numpy as np


def strided(X, folder=None):
    around = np.full([2 * n for n in X.shape], np.nan, X.dtype)
    around[tuple(slice(None, None, 2) for _ in X.shape)] = X
    return around[tuple(slice(None, None, 2) for _ in X.shape)]


def negative_strides(X, folder=None):
    backwards = (slice(None, None, -1),) * X.ndim
    return np.ascontiguousarray(X[backwards])[backwards]


def read_only(X, folder=None):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def unaligned(X, folder=None):
    # One byte after an aligned address.
    buffer = bytearray(X.nbytes + 1)
    array = np.frombuffer(buffer, X.dtype, X.size, offset=1).reshape(X.shape)
    array[...] = X
    assert not array.flags.aligned
    return array


def field_of_records(X, folder=None):
    records = np.zeros(X.shape, [("flag", np.int8), ("value", X.dtype)])
    records["value"] = X
    return records["value"]


LAYOUTS = {
    "C order": lambda X, folder: np.ascontiguousarray(X),
    "Fortran order": lambda X, folder: np.asfortranarray(X),
    "features first": lambda X, folder: np.ascontiguousarray(np.moveaxis(X, -1, 0)).transpose(
        *range(1, X.ndim), 0
    ),
    "strided": strided,
    "negative strides": negative_strides,
    "read-only": read_only,
    "memory-mapped": memory_mapped,
    "unaligned": unaligned,
    "field of records": field_of_records,
}
