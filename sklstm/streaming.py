"""Predictions for series that come step by step."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseLSTM
from sklstm._forms import FLOATS
from sklstm._network.parameters import Architecture, architecture_of
from sklstm._network.stream import Stream
from sklstm._numbers import refuse_non_numeric
from sklstm._typing import Floats
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


class StreamingPredictor:
    """A fitted net that reads series step by step, and predicts after each step.

    A prediction has the bits of `model.predict` of all steps so far, but costs one step alone: the
    hidden and cell states are kept in between. Many series may run side by side.

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
    The type of the first step decides, as that of X does in `predict`: float32 is computed in
    float32, all else in float64. Steps of another type are converted from then on, until all series
    are reset. Transformers of a pipeline are called with one step of each series: those that treat
    numbers one by one, as StandardScaler, give the same bits as for whole sequences; products of
    matrices, as in PCA, may round otherwise.

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

    n_series: int
    _transformers: list[TimestepTransformer]
    _net: Any
    _architecture: Architecture
    _stream: Stream | None

    def __init__(self, model: Any, n_series: int = 1) -> None:
        # Imported here, since it takes as long as the half of sklstm.
        from sklearn.pipeline import Pipeline

        _check_n_series(n_series)
        steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
        *transformers, net = steps
        transformers = [each for each in transformers if each not in (None, "passthrough")]
        for each in transformers:
            if not isinstance(each, TimestepTransformer):
                raise TypeError(
                    f"model must be a pipeline of TimestepTransformers and an estimator of sklstm, "
                    f"got {type(each).__name__} in it: wrap it in TimestepTransformer."
                )
            check_is_fitted(each)
        if not isinstance(net, BaseLSTM):
            raise TypeError(
                f"model must be an LSTMRegressor or LSTMClassifier, or a pipeline that ends with "
                f"one, got {type(net).__name__}."
            )
        check_is_fitted(net)
        self._transformers, self._net = transformers, net._as_it_stands()
        self._architecture = architecture_of(net._shape)
        if self._architecture.bidirectional:
            raise ValueError(
                "model must have bidirectional=False: the backward direction starts with the last "
                "step, which a stream does not know yet."
            )
        self.n_series = int(n_series)
        self._stream = None

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """Read one more step of each series, and predict.

        Parameters
        ----------
        x : array-like of shape (n_series, n_features)
            The step.

        Returns
        -------
        y : ndarray of shape (n_series,) or (n_series, n_outputs)
            What `model.predict` gives for all steps so far.

        Raises
        ------
        ValueError
            If x has another shape, or NaN or infinity. The stream is left as it was.
        """
        return self._answer("predict", x)

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
        if self._stream is None:
            self._stream = self._start(self._net._weights.dtype)
        cells, kept = self._stream.state
        layers = [(hidden.copy(), cell.copy()) for hidden, cell in cells]
        return StreamState(layers, kept.copy(), self._stream.steps.copy())

    @state.setter
    def state(self, state: StreamState) -> None:
        given = [*_arrays(state.layers), state.pooled, state.steps]
        stream = self._stream or self._start(given[0].dtype)
        places = _places(stream)
        shapes = [array.shape for array in places]
        if [np.shape(array) for array in given] != shapes:
            raise ValueError(
                f"state must have arrays of the shapes {shapes}, got {list(map(np.shape, given))}."
            )
        for place, array in zip(places, given, strict=True):
            place[:] = array
        self._stream = stream

    def reset(self, rows: int | Sequence[int] | NDArray[Any] | None = None) -> None:
        """Let series start anew.

        Parameters
        ----------
        rows : int, array-like of int or of bool, default=None
            Which series; None: all.
        """
        if rows is None:
            self._stream = None
        elif self._stream is not None:
            for array in _places(self._stream):
                array[rows] = 0

    def __getstate__(self):
        state = self.__dict__.copy()
        # Of addresses and machine code, the state is all that is kept.
        state["_stream"] = None if self._stream is None else self.state
        return state

    def __setstate__(self, state):
        saved = state.pop("_stream")
        self.__dict__.update(state)
        self._stream = None
        if saved is not None:
            self.state = saved

    def _answer(self, method, x):
        answer = getattr(self._net, f"_{method}_from", None)
        if answer is None:
            raise AttributeError(f"{type(self._net).__name__} has no {method}.")
        for transformer in self._transformers:
            x = np.asarray(transformer.transform(np.asarray(x)[:, np.newaxis]))[:, 0]
        if type(x) is not np.ndarray or x.dtype not in FLOATS:
            x = _as_numbers(x)
        shape = self.n_series, self._architecture.n_features
        if x.shape != shape:
            raise ValueError(
                f"x must be one step of each series, of shape (n_series, n_features) = {shape}, "
                f"got shape {x.shape}."
            )
        stream = self._stream
        if stream is None:
            stream = self._start(x.dtype)
        stream.x[:] = x
        raw = stream.step()
        if raw is None:
            what = "NaN" if np.isnan(x).any() else "infinity"
            raise ValueError(f"Input x contains {what}: the stream is left as it was.")
        self._stream = stream
        with np.errstate(all="ignore"):
            return answer(raw.copy())

    def _start(self, dtype):
        weights = self._net._weights.astype(dtype)
        return Stream(self._architecture, weights, self._net._scaling, self.n_series)


def _check_n_series(n_series):
    if not isinstance(n_series, Integral) or n_series < 1:
        raise ValueError(f"n_series must be an int of at least 1, got {n_series!r}.")


def _as_numbers(x):
    refuse_non_numeric(x, "x")
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ValueError(f"x must be numbers, got dtype {x.dtype}.")
    single = x.dtype.newbyteorder("=") == np.float32
    return x.astype(np.float32 if single else np.float64)


def _places(stream):
    """The arrays of a stream's state, to be written."""
    layers, kept = stream.state
    return [*_arrays(layers), kept, stream.steps]


def _arrays(layers):
    return [array for layer in layers for array in layer]
