"""X as a net reads it: checked, without its padding, at addresses."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from sklstm._forms import read_form
from sklstm._kernels.shard import SEQUENCE
from sklstm._messages import warn_user
from sklstm._windows import Windows

# Numbers that are looked at together in the search for NaN, so that a strided view of windows or a
# memory map is never materialised whole.
_BLOCK = 2**20


@dataclass(eq=False)
class Sequences:
    """Sequences as they lie in memory: nothing is copied until a minibatch is gathered.

    Parameters
    ----------
    records : ndarray of SEQUENCE, or Records, of shape (n_samples,)
        Where each sequence is, and its length.
    dtype : dtype
        float32 or float64.
    n_features : int
        Features of a time step.
    source : ndarray or Windows of shape (n_samples, n_timesteps, n_features), or list of ndarray
        What owns the memory.
    scaling : ndarray of shape (2, n_features)
        What is subtracted from features where they are gathered, and what multiplies them then.
    """

    records: Any
    dtype: np.dtype
    n_features: int
    source: Any
    scaling: np.ndarray | None = None

    def __len__(self):
        return len(self.records)

    @cached_property
    def longest(self):
        """Steps of the longest sequence."""
        lengths = self.records["length"]
        return int(lengths.max() if len(lengths) > 1 else lengths[0])

    @property
    def n_timesteps(self):
        """Steps of the array, padding included, or of the longest in a list."""
        return self.longest if type(self.source) is list else self.source.shape[1]

    @cached_property
    def equal_lengths(self):
        """Whether all sequences have the same number of steps."""
        return len(self) == 1 or int(self.records["length"].min()) == self.longest


def read_sequences(X, expected, seen=None, scaling=None):
    """Validate X in any of its forms: its shape and type, then its numbers.

    Parameters
    ----------
    X : array-like or list of array-like
    expected : Expected
    seen : (int or None, int), default=None
        The timesteps, if all sequences have the same, and the features that X has to have.
    scaling : ndarray of shape (2, n_features), default=None
        Of the sequences.

    Returns
    -------
    sequences : Sequences
    """
    form = read_shape(X, expected)
    sequences = check_numbers(form, expected, scaling)
    if seen is not None:
        check_agreement(form, expected, *seen)
    return sequences


def read_shape(X, expected):
    """As `read_sequences`, but no number is looked at; returns a `Form`."""
    form = read_form(X, expected)
    if form.n_timesteps is not None and 0 in form.source.shape:
        shape = form.source.shape
        raise ValueError(
            f"Found array with {shape[1]} timestep(s) and {shape[2]} feature(s) "
            f"(shape={shape}) while a minimum of 1 is required by {expected.name}."
        )
    return form


def check_numbers(form, expected, scaling=None, moments=None):
    """Sequences without their padding; refuses NaN and infinity.

    Parameters
    ----------
    form : Form
    expected : Expected
    scaling : ndarray of shape (2, n_features), default=None
        Of the sequences.
    moments : FeatureMoments, default=None
        To which they are added, block by block, while they are in the cache.

    Returns
    -------
    sequences : Sequences
    """
    source, dtype, n_features = form.source, form.dtype, form.n_features
    if isinstance(source, Windows):
        return _windows(form, expected, scaling, moments)
    in_a_list = form.n_timesteps is None
    records = _from_list(source) if in_a_list else _from_array(source)
    # A list may hold nothing but sequences without a step, which are refused below.
    longest = form.n_timesteps or max(1, int(records["length"].max()))
    block, padded = max(1, _BLOCK // (longest * n_features)), in_a_list
    for first in range(0, len(records), block):
        some = slice(first, first + block)
        part = source[some]
        if in_a_list:
            _check_arrays(part, first)
        elif np.count_nonzero(np.isfinite(part)) < part.size:  # `all` takes longer
            records["length"][some] = _own_lengths(form, expected, part, first)
            padded = True
        if moments is not None:
            moments.add(records[some], first, dtype)
    if not form.from_2d:
        check_n_timesteps(records["length"], expected.n_timesteps, expected.name)
    sequences = Sequences(records, dtype, n_features, source, scaling)
    if not padded:
        # For a single row, counting would take as long as some of its steps.
        sequences.longest, sequences.equal_lengths = longest, True
    return sequences


def _windows(form, expected, scaling, moments):
    """Windows of many series, whose rows are looked at once, and not once for each window."""
    windows, n_timesteps = form.source, form.n_timesteps
    spans = windows.spans()
    if 4 * len(windows) * n_timesteps < sum(len(rows) for _, rows, _ in spans):
        # A small part of a file, say: what lies between is not read.
        _check_each_window(windows)
    else:
        for i, rows, first in spans:
            if not _all_finite(rows):
                _check_windows(windows, i, _finite_rows(rows), first)
    check_n_timesteps(np.array([n_timesteps]), expected.n_timesteps, expected.name)
    records = windows.records
    if moments is not None:
        block = max(1, _BLOCK // (n_timesteps * form.n_features))
        for first in range(0, len(records), block):
            moments.add(records[first : first + block], first, form.dtype)
    return Sequences(records, form.dtype, form.n_features, windows, scaling)


def _check_each_window(windows):
    """Refuse windows with NaN or infinity, in the order in which they lie in memory."""
    order = np.lexsort(windows.starts_and_series(slice(None)))
    block = max(1, _BLOCK // (windows.shape[1] * windows.shape[2]))
    for first in range(0, len(order), block):
        some = order[first : first + block]
        part = np.asarray(windows[some])
        if not np.isfinite(part).all():
            for window, i in zip(part, some.tolist(), strict=True):
                _check_sequence(window, i)


def _all_finite(rows):
    """Whether there is no NaN or infinity; block by block, since rows may be a memory map."""
    block = max(1, _BLOCK // rows.shape[1])
    return all(np.isfinite(rows[i : i + block]).all() for i in range(0, len(rows), block))


def _finite_rows(rows):
    """Whether each row is finite; block by block, too."""
    finite = np.empty(len(rows), bool)
    block = max(1, _BLOCK // rows.shape[1])
    for first in range(0, len(rows), block):
        some = slice(first, first + block)
        np.isfinite(rows[some]).all(axis=1, out=finite[some])
    return finite


def _check_windows(windows, i, finite, first):
    """Refuse windows of series i that have a row which is not finite; others need not."""
    before = np.concatenate([[0], np.cumsum(~finite)])
    starts, series = windows.starts_and_series(slice(None))
    (own,) = np.nonzero(series == i)
    begin = starts[own] - first
    wrong = own[before[begin + windows.shape[1]] > before[begin]]
    if len(wrong):
        _check_sequence(windows[wrong[0]], wrong[0])


def _from_array(X):
    """Where the sequences of an array (n_samples, n_timesteps, n_features) of any strides are."""
    first = X.__array_interface__["data"][0], *X.strides[1:], X.shape[1], 0
    # For a single row, all of this takes as long as the net.
    records = np.ndarray(1, SEQUENCE, np.array(first, np.int64))
    if len(X) > 1:
        records = records.repeat(len(X))
        records["address"] += np.arange(len(X), dtype=np.int64) * X.strides[0]
    return records


def _from_list(arrays):
    places = [(a.__array_interface__["data"][0], *a.strides, len(a), 0) for a in arrays]
    return np.array(places, SEQUENCE)


def _check_arrays(arrays, first):
    for i, array in enumerate(arrays, first):
        if len(array) == 0 or not np.isfinite(array).all():
            _check_sequence(array, i)


def _own_lengths(form, expected, part, first):
    """The steps of sequences without the NaN rows at their ends; refuses any other NaN."""
    if form.from_2d:
        # Without the estimator's name, with which scikit-learn recommends others at length.
        assert_all_finite(part, input_name="X")
    own = steps_before_padding(part)
    inside = np.isfinite(part).all(axis=2).sum(axis=1)
    for i in np.flatnonzero((inside != own) | (own == 0))[:1]:
        _check_sequence(part[i, : own[i]], first + i)
    return own


def steps_before_padding(X):
    """How many steps each sequence of a 3-D array has, without the NaN rows at its end."""
    is_own = ~np.isnan(X).all(axis=2)
    return np.logical_or.accumulate(is_own[:, ::-1], axis=1).sum(axis=1)


def _check_sequence(sequence, i):
    """Refuse a sequence without steps, or with NaN or infinity inside."""
    if len(sequence) == 0:
        raise ValueError(f"X[{i}] has 0 timesteps while a minimum of 1 is required.")
    finite = np.isfinite(sequence).all(axis=1)
    if not finite.all():
        t = np.argmin(finite)
        what = "NaN" if np.isnan(sequence[t]).any() else "infinity"
        raise ValueError(f"Input X contains {what}: X[{i}], at timestep {t}.")


def check_n_timesteps(lengths, wanted, name):
    """Refuse sequences of other lengths than the parameter `n_timesteps` says, if it does."""
    if wanted is not None and (lengths != wanted).any():
        i = np.argmax(lengths != wanted)
        raise ValueError(
            f"X[{i}] has {lengths[i]} timesteps, but {name} was given n_timesteps={wanted}."
        )


def check_agreement(form, expected, n_timesteps, n_features):
    """Refuse sequences of other timesteps or features than those seen in fit."""
    same_steps = n_timesteps in (None, form.n_timesteps) or (
        # In a list, sequences may be as short as in an array that is padded to n_timesteps.
        form.n_timesteps is None and max(map(len, form.source)) <= n_timesteps
    )
    if form.n_features != n_features or not same_steps:
        columns = form.n_timesteps and form.n_timesteps * form.n_features
        is_one = form.from_2d and columns == n_features
        raise ValueError(
            f"X has {form.n_timesteps or 'other'} timesteps of {form.n_features} features, but "
            f"{expected.name} is expecting {n_timesteps or 'any'} timesteps of {n_features} "
            "features as input." + " If X is one sequence, pass X[np.newaxis] or [X]." * is_one
        )
    if form.from_2d and form.n_timesteps == 1 < len(form) and n_timesteps is None:
        warn_user(
            f"X of shape ({len(form)}, 1) is read as {len(form)} sequences of one time step; if "
            "it is one sequence, pass X[np.newaxis] or [X]."
        )
