"""Windows of many series: indexed like an array, but there is no array."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

from sklstm._kernels.shard import SEQUENCE
from sklstm._typing import Floats

# Windows whose numbers are looked at together.
_BLOCK = 2**16
# The columns of a record.
_ADDRESS, _STEP_STRIDE, _FEATURE_STRIDE, _LENGTH, _ = range(5)


class Windows:
    """Windows of many series, over the memory of these: what `sliding_windows` makes of a list.

    It has the shape, the type and the indexing of an array of all windows, which is never made: a
    window is known by its number. `train_test_split`, `KFold`, `cross_val_score` and the rest of
    scikit-learn split it, the estimators of sklstm read it, and `numpy.asarray` writes it out.

    An int gives one window, a read-only view of its series. A slice, or an array of ints or bools,
    gives other `Windows`. Further indices, as in ``windows[:, -1, 0]``, give an array: a copy of
    what they ask for, and no more.

    Parameters
    ----------
    series : list of ndarray of shape (n_i, n_features)
        All of one type, float32 or float64.
    n_timesteps : int
        Rows of a window.
    counts : list of int
        How many windows each series has.
    step : int, default=1
        Rows between the starts of two windows.
    labels : ndarray of shape (n_series,), default=None
        What `groups` calls the series. None: their positions.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import sliding_windows
    >>> X, y = sliding_windows([np.arange(6.0), np.arange(100.0, 109.0)], n_timesteps=4)
    >>> X.shape, y
    ((7, 4, 1), array([  4.,   5., 104., 105., 106., 107., 108.]))
    >>> X[2, :, 0]
    array([100., 101., 102., 103.])
    >>> X[y > 106].shape, X.groups
    ((2, 4, 1), array([0, 0, 1, 1, 1, 1, 1]))
    """

    ndim = 3

    def __init__(
        self,
        series: Sequence[Floats],
        n_timesteps: int,
        counts: Sequence[int],
        step: int = 1,
        labels: NDArray[Any] | None = None,
    ) -> None:
        self._series = list(series)
        self._n_timesteps, self._step, self._labels = n_timesteps, step, labels
        # Those of series i have the numbers from _bounds[i] to _bounds[i + 1].
        self._bounds = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        # The numbers of the windows that there are; None: all.
        self._chosen: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_windows, n_timesteps, n_features)."""
        return len(self), self._n_timesteps, self._series[0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._series[0].dtype

    @property
    def size(self) -> int:
        """Numbers that all windows have together."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def groups(self) -> NDArray[Any]:
        """The series of each window, for `GroupKFold` and its like: (n_windows,).

        Of a list of series their positions, of a dict its keys.
        """
        series = self._series_of(self._numbers(slice(None)))
        return series if self._labels is None else self._labels[series]

    def __len__(self) -> int:
        return int(self._bounds[-1]) if self._chosen is None else len(self._chosen)

    def __repr__(self) -> str:
        return f"<{len(self)} windows of {len(self._series)} series, shape {self.shape}>"

    def __iter__(self) -> Iterator[Floats]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis or first is None:
            return np.asarray(self)[key]
        numbers = self._numbers(first)
        if numbers.ndim == 0:
            window = self._view(int(self._series_of(numbers)))[self._place(numbers)]
            return window[tuple(rest)] if rest else window
        some = self._with(numbers)
        if not rest or rest == [Ellipsis]:
            return some
        if isinstance(first, slice) or all(isinstance(each, int | slice) for each in rest):
            return some._written_out((slice(None), *rest))
        # Arrays of indices belong together, one to one.
        return np.asarray(some)[(np.arange(len(some)), *rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Floats:
        if copy is False:
            raise ValueError("Windows of many series become an array only by a copy.")
        array = self._written_out((slice(None),))
        return array if dtype is None else array.astype(dtype, copy=False)

    def astype(self, dtype: DTypeLike) -> "Windows":
        """The same windows, of series of another type; without a copy if they have it.

        Parameters
        ----------
        dtype : dtype

        Returns
        -------
        windows : Windows
        """
        other = self._with(self._chosen)
        other._series = [np.asarray(series, dtype) for series in self._series]
        return other

    def _with(self, numbers):
        other = object.__new__(Windows)
        other.__dict__ = self.__dict__ | {"_chosen": numbers}
        return other

    def choose(self, kept: Sequence[NDArray[np.bool_]]) -> "Windows":
        """Those windows of all that are kept, given for each series and each of its windows."""
        return self._with(np.flatnonzero(np.concatenate(kept)))

    def _numbers(self, key):
        """The numbers of some windows, as NumPy would index an array of them."""
        if self._chosen is not None:
            return np.asarray(self._chosen[key])
        if isinstance(key, slice):
            return np.arange(*key.indices(len(self)))
        key = np.asarray(key)
        if key.dtype == bool:
            if key.shape != (len(self),):
                raise IndexError(
                    f"An index of bools must have one for each of {len(self)} windows, got shape "
                    f"{key.shape}."
                )
            return np.flatnonzero(key)
        if key.size == 0:
            key = key.astype(np.int64)
        if key.dtype.kind not in "iu" or key.ndim > 1:
            raise IndexError(
                f"Windows are indexed by ints, slices, and arrays of ints or bools, got {key!r}."
            )
        if key.size and not -len(self) <= key.min() <= key.max() < len(self):
            raise IndexError(f"There are {len(self)} windows, got index {key!r}.")
        return np.where(key < 0, key + len(self), key).astype(np.int64)

    def _series_of(self, numbers):
        return np.searchsorted(self._bounds, numbers, side="right") - 1

    def _place(self, numbers):
        """Which window of its series each is."""
        return numbers - self._bounds[self._series_of(numbers)]

    def _view(self, i):
        """All windows of a series."""
        windows = sliding_window_view(self._series[i], self._n_timesteps, axis=0)
        return windows[:: self._step].transpose(0, 2, 1)

    def _written_out(self, key):
        """All windows as an array, of which `key` is taken."""
        numbers = self._numbers(slice(None))
        series = self._series_of(numbers)
        places = numbers - self._bounds[series]
        # Where the series changes.
        cuts = [0, *np.flatnonzero(np.diff(series)) + 1, len(numbers)]
        if len(numbers) == 0:
            return np.empty(self.shape, self.dtype)[key]
        parts = [self._view(series[a])[key][places[a:b]] for a, b in pairwise(cuts)]
        return np.concatenate(parts)

    def starts_and_series(self, some: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first row of some windows, and which series they are of."""
        numbers = self._numbers(some)
        series = self._series_of(numbers)
        return (numbers - self._bounds[series]) * self._step, series

    @property
    def records(self) -> "Records":
        """Where each window is, for kernels."""
        return Records(self)

    def spans(self) -> list[tuple[int, Floats, int]]:
        """What is to be read of each series: its position, the rows, and the first of them."""
        lowest = np.full(len(self._series), np.iinfo(np.int64).max)
        highest = np.full(len(self._series), -1)
        for first in range(0, len(self), _BLOCK):
            starts, series = self.starts_and_series(slice(first, first + _BLOCK))
            np.minimum.at(lowest, series, starts)
            np.maximum.at(highest, series, starts)
        return [
            (i, self._series[i][lowest[i] : highest[i] + self._n_timesteps], int(lowest[i]))
            for i in np.flatnonzero(highest >= 0).tolist()
        ]


class Records:
    """Records of shard.SEQUENCE for windows, made when they are asked for.

    For five million windows they would take 200 MB.
    """

    def __init__(self, windows):
        self._windows = windows
        # What the records of all windows of a series have in common.
        series = windows._series
        self._common = np.zeros((len(series), 5), np.int64)
        for row, array in zip(self._common, series, strict=True):
            row[_ADDRESS] = array.__array_interface__["data"][0]
            row[_STEP_STRIDE], row[_FEATURE_STRIDE] = array.strides
            row[_LENGTH] = windows._n_timesteps

    def __len__(self):
        return len(self._windows)

    def __getitem__(self, key):
        if isinstance(key, str):  # "length"
            return np.broadcast_to(np.int64(self._windows._n_timesteps), len(self))
        starts, series = self._windows.starts_and_series(key)
        records = self._common[series]
        records[..., _ADDRESS] += starts * records[..., _STEP_STRIDE]
        return records.view(SEQUENCE)[..., 0]

    def __array__(self, dtype=None, copy=None):
        return self[:]
