"""Predictions for series that come step by step."""

import threading
from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if

from sklstm._forms import FLOATS
from sklstm._network.parameters import Architecture, architecture_of
from sklstm._network.stream import Stream
from sklstm._numbers import refuse_non_numeric
from sklstm._parts import take_apart
from sklstm._targets import refuse_without_deviation
from sklstm._typing import Floats, keeps_type
from sklstm.preprocessing import TimestepTransformer


class StreamState(NamedTuple):
    """All that a stream knows of its series.

    Parameters
    ----------
    layers : list of (ndarray, ndarray), each of shape (n_series, units)
        The hidden and the cell state of each layer.
    pooled : ndarray of shape (n_series, n_kept)
        What the pooling has taken in.
    steps : ndarray of int, of shape (n_series,)
        How many steps each series has so far.
    """

    layers: list[tuple[Floats, Floats]]
    pooled: Floats
    steps: NDArray[np.int64]


def _net_has(method):
    """Check that the net has a method, as a classifier has more than a regressor."""
    return available_if(lambda stream: hasattr(stream._net, method))


class StreamingPredictor:
    """A fitted net that reads series step by step, and predicts after each step.

    A prediction has the bits of `model.predict` of all steps so far, as one array, but costs one
    step alone: the hidden and cell states are kept in between. Many series may run side by side.

    Parameters
    ----------
    model : LSTMRegressor, LSTMClassifier or Pipeline
        A fitted estimator of one direction, or a pipeline of `TimestepTransformer` and one. What is
        fitted later does not change the stream.
    n_series : int, default=1
        Series that run side by side, one a row.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError, ValueError
        If the model is of another kind, or reads sequences backwards too.

    Notes
    -----
    The first step decides what is computed in, as X does in `predict`: a list in the net's own
    type, float32 in float32, all else in float64. Later steps are converted, until `reset()`.

    For a model that was fitted on 2-D X, a step is a column, or a block of `n_timesteps`; a stream
    also answers for fewer and for more steps than the fit has seen, where `predict` may refuse.

    Transformers of a pipeline are called with one step of each series: those that treat numbers one
    by one, as StandardScaler, give the same bits as for whole sequences; products of matrices, as
    in PCA, may round otherwise.

    Threads may share a stream: each step is of one of them. A step is computed by one thread and
    is not interrupted; after a KeyboardInterrupt, set `state` back if it must not count. Some
    thousands of series fit into a processor's cache; of more, make several streams.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory. Neural Computation 9(8).

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor, StreamingPredictor
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> model = LSTMRegressor(8, tol=1e-3, random_state=0).fit(list(X), X[:, -1, 0])
    >>> stream = StreamingPredictor(model)
    >>> for x in X[0]:
    ...     y = stream.predict([x])
    >>> bool(y == model.predict(X[:1]))
    True

    Two futures from the same past:

    >>> now = stream.state
    >>> up = stream.predict([[1.0, 0.0]])
    >>> stream.state = now
    >>> down = stream.predict([[-1.0, 0.0]])
    """

    _n_series: int
    _transformers: list[TimestepTransformer]
    _net: Any
    _architecture: Architecture
    _stream: Stream | None

    def __init__(self, model: Any, n_series: int = 1) -> None:
        _check_n_series(n_series)
        self._transformers, self._net = take_apart(model)
        self._architecture = architecture_of(self._net._shape)
        if self._architecture.bidirectional:
            raise ValueError(
                "model must have bidirectional=False: the backward direction starts with the last "
                "step, which a stream does not know yet."
            )
        self._n_series = int(n_series)
        self._stream, self._lock = None, threading.RLock()

    @property
    def n_series(self) -> int:
        """Series that run side by side."""
        return self._n_series

    @overload
    def predict(self, x: ArrayLike, return_std: Literal[False] = False) -> NDArray[Any]: ...

    @overload
    def predict(self, x: ArrayLike, return_std: Literal[True]) -> tuple[Floats, Floats]: ...

    def predict(self, x: ArrayLike, return_std: bool = False) -> Any:
        """Read one more step of each series, and predict.

        Parameters
        ----------
        x : array-like of shape (n_series, n_features)
            The step.
        return_std : bool, default=False
            Whether to return standard deviations too, which loss="gaussian" has.

        Returns
        -------
        y : ndarray of shape (n_series,) or (n_series, n_outputs)
            What `model.predict` gives for all steps so far; of several quantiles one more axis.
        std : ndarray of the shape of y
            With `return_std`.

        Raises
        ------
        ValueError
            If x has another shape, or NaN or infinity, or there are no deviations. The stream is
            left as it was.
        """
        if not return_std:
            return self._answer("predict", x)
        refuse_without_deviation(self._net)
        return self._answer("predict_with_std", x)

    @keeps_type(_net_has("predict_proba"))
    def predict_proba(self, x: ArrayLike) -> Floats:
        """Read one more step of each series; the probabilities of a classifier's classes.

        Parameters
        ----------
        x : array-like of shape (n_series, n_features)
            The step.

        Returns
        -------
        probabilities : ndarray of shape (n_series, n_classes)
            What `model.predict_proba` gives for all steps so far.
        """
        return self._answer("predict_proba", x)

    @keeps_type(_net_has("predict_log_proba"))
    def predict_log_proba(self, x: ArrayLike) -> Floats:
        """Read one more step of each series; the logarithms of the classes' probabilities.

        Parameters
        ----------
        x : array-like of shape (n_series, n_features)
            The step.

        Returns
        -------
        log_probabilities : ndarray of shape (n_series, n_classes)
            What `model.predict_log_proba` gives for all steps so far.
        """
        return self._answer("predict_log_proba", x)

    @keeps_type(_net_has("decision_function"))
    def decision_function(self, x: ArrayLike) -> Floats:
        """Read one more step of each series; the raw outputs of a classifier.

        Parameters
        ----------
        x : array-like of shape (n_series, n_features)
            The step.

        Returns
        -------
        decision : ndarray of shape (n_series,) or (n_series, n_classes)
            What `model.decision_function` gives for all steps so far.
        """
        return self._answer("decision_function", x)

    @property
    def state(self) -> StreamState:
        """What the series have come to, as a copy; it can be set, to go on from there."""
        with self._lock:
            stream = self._stream or self._start(self._net._weights.dtype)
            cells, kept = stream.state
            layers = [(hidden.copy(), cell.copy()) for hidden, cell in cells]
            return StreamState(layers, kept.copy(), stream.steps.copy())

    @state.setter
    def state(self, state: StreamState) -> None:
        try:
            layers, pooled, steps = state
            given = [np.asarray(array) for array in (*_arrays(layers), pooled, steps)]
        except (TypeError, ValueError) as error:
            raise ValueError(f"state must be a StreamState, got {type(state).__name__}.") from error
        with self._lock:
            single = all(array.dtype == np.float32 for array in given[:-1])
            stream = self._stream or self._start(np.float32 if single else np.float64)
            places = _places(stream)
            given = _checked_state(given, places)
            # Not before all of it is known to fit.
            for place, array in zip(places, given, strict=True):
                place[:] = array
            self._stream = stream

    def reset(self, rows: int | Sequence[int] | NDArray[Any] | None = None) -> None:
        """Let series start anew.

        Parameters
        ----------
        rows : int, array-like of int or of bool, default=None
            Which series; None: all.

        Raises
        ------
        IndexError, ValueError
            If there are no such series. The stream is left as it was.
        """
        chosen = np.zeros(self._n_series, bool)
        if rows is not None:
            index = np.asarray(rows, np.int64 if np.size(rows) == 0 else None)
            is_mask = index.dtype == bool and index.shape == chosen.shape
            if not (is_mask or (index.dtype.kind in "iu" and index.ndim <= 1)):
                raise ValueError(
                    f"rows must be numbers of series, or {self._n_series} bools, got {rows!r}."
                )
            chosen[index] = True
        with self._lock:
            if rows is None:
                self._stream = None
            elif self._stream is not None:
                for array in _places(self._stream):
                    array[chosen] = 0

    def __getstate__(self):
        with self._lock:
            # Of addresses and machine code, the state is all that is kept.
            saved = None if self._stream is None else self.state
            return {**self.__dict__, "_stream": saved, "_lock": None}

    def __setstate__(self, state):
        _check_n_series(state["_n_series"])
        self.__dict__.update(state, _stream=None, _lock=threading.RLock())
        # What was loaded is the net's own architecture, or nothing that can stream.
        self._architecture = architecture_of(self._net._shape)
        if self._architecture.bidirectional:
            raise ValueError("This is not the state of a stream: its net has two directions.")
        if state["_stream"] is not None:
            self.state = state["_stream"]

    def _answer(self, method, x):
        # Whatever a user told `np.seterr`.
        with self._lock, np.errstate(all="ignore"):
            x = self._as_step(x)
            stream = self._stream or self._start(x.dtype)
            stream.x[:] = x
            raw = stream.step()
            if raw is None:
                what = "NaN" if np.isnan(x).any() else "infinity"
                of_type = "" if np.isnan(x).any() or np.isinf(x).any() else " in float32"
                raise ValueError(f"Input x contains {what}{of_type}: the stream is as it was.")
            self._stream = stream
            return getattr(self._net, f"_{method}_from")(raw.copy())

    def _as_step(self, x):
        """x as the net reads it: floats of shape (n_series, n_features)."""
        if type(x) is not np.ndarray or x.dtype not in FLOATS:
            x = _as_numbers(x, self._net._weights.dtype)
        n_features = self._architecture.n_features
        if self._transformers:
            n_features = self._transformers[0]._n_step_features
        if x.shape != (self._n_series, n_features):
            raise ValueError(
                f"x must be one step of each series, of shape (n_series, n_features) = "
                f"{self._n_series, n_features}, got shape {x.shape}."
            )
        for transformer in self._transformers:
            x = transformer._transform_rows(x)
        return x if x.dtype in FLOATS else x.astype(np.float64)

    def _start(self, dtype):
        weights = self._net._weights.astype(dtype)
        return Stream(self._architecture, weights, self._net._scaling, self._n_series)


def _check_n_series(n_series):
    if not isinstance(n_series, Integral) or n_series < 1:
        raise ValueError(f"n_series must be an int of at least 1, got {n_series!r}.")


def _as_numbers(x, dtype):
    """x as floats; those of lists are of type `dtype`."""
    in_a_list = isinstance(x, list | tuple)
    refuse_non_numeric(x, "x")
    x = np.asarray(x)
    if x.dtype.kind not in "fiubO":
        raise ValueError(f"x must be numbers, got dtype {x.dtype}.")
    own = np.float32 if x.dtype.newbyteorder("=") == np.float32 else np.float64
    try:
        return x.astype(dtype if in_a_list else own)
    except (TypeError, ValueError) as error:
        raise ValueError(f"x must be numbers, got dtype {x.dtype}.") from error


def _checked_state(given, places):
    """A state as it is kept; refuses that of another net, or one that no steps lead to."""
    shapes = [place.shape for place in places]
    if [array.shape for array in given] != shapes:
        raise ValueError(
            f"state must have arrays of the shapes {shapes}, got {[a.shape for a in given]}."
        )
    steps = given[-1]
    if steps.dtype.kind not in "iu" or (steps < 0).any() or (steps > np.iinfo(np.int64).max).any():
        raise ValueError(f"state must have whole numbers of steps from 0 on, got {steps}.")
    with np.errstate(all="ignore"):
        kept = [
            array.astype(place.dtype) if array.dtype.kind in "fiu" else np.array(np.nan)
            for array, place in zip(given, places, strict=True)
        ]
    if not all(np.isfinite(array).all() for array in kept):
        raise ValueError(
            f"state must have numbers in its layers and in pooled that are finite in "
            f"{places[0].dtype}."
        )
    return kept


def _places(stream):
    """The arrays of a stream's state, to be written."""
    layers, kept = stream.state
    return [*_arrays(layers), kept, stream.steps]


def _arrays(layers):
    return [array for layer in layers for array in layer]
