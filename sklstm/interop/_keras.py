"""To Keras and from it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklstm._parts import take_apart
from sklstm.interop._fitted import Meaning, fitted_estimator
from sklstm.interop._keras_layers import read_chain, read_parts
from sklstm.interop._keras_model import build_model, read_name
from sklstm.interop._net import read_net
from sklstm.interop._packages import needed


def to_keras(estimator: Any) -> Any:
    """A fitted estimator as a functional model of Keras 3.

    It is made of layers and operations of Keras alone: a file that `model.save` writes is loaded
    where sklstm is not installed.

    Parameters
    ----------
    estimator : LSTMRegressor or LSTMClassifier
        Fitted.

    Returns
    -------
    model : keras.Model
        `model.predict(X)` of an array X of shape (n_samples, n_timesteps, n_features) is what
        `predict` of the regressor, or `predict_proba` of the classifier returns; with
        loss="gaussian" two arrays, means and deviations. As here, NaN rows at the end of a sequence
        are padding. Weights are those of the estimator, in their dtype.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, or a pipeline; or if Keras has no float64 where the weights are of
        that type.
    ImportError
        If Keras 3, or what it runs on, is not installed.

    See Also
    --------
    from_keras : The other way.

    Notes
    -----
    The environment variable KERAS_BACKEND says on what Keras runs. Dropout is not part of the
    model.

    `model.predict` converts X to `keras.config.floatx()`, which is float32 unless it is set;
    `model(X)` does not. Keras multiplies matrices in float32 even where its layers are of float64:
    a model of such weights predicts as exactly as one of float32, and has all digits of them for
    the way back.

    References
    ----------
    .. [1] Chollet et al. (2015), Keras. https://keras.io

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.interop import to_keras
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2)).astype(np.float32)
    >>> model = LSTMRegressor(8, tol=1e-3, random_state=0).fit(X, X[:, -1, 0])
    >>> network = to_keras(model)  # doctest: +SKIP
    >>> y = network.predict(X, verbose=0)  # doctest: +SKIP
    >>> np.allclose(y, model.predict(X), atol=1e-5)  # doctest: +SKIP
    True
    """
    keras = _keras("to_keras")
    transformers, model = take_apart(estimator, "estimator")
    if transformers:
        raise ValueError(
            "to_keras takes the net without the transformers of its pipeline, which Keras does not "
            "have: transform X, and pass estimator[-1]."
        )
    net = read_net(model)
    loss, quantile = getattr(model, "_fitted_loss", None), getattr(model, "_fitted_quantile", None)
    made = build_model(keras, net, loss, quantile)
    got = keras.ops.convert_to_numpy(made.get_layer("head").kernel).dtype
    if got != net.dtype:
        raise ValueError(
            f"The weights are of {net.dtype}, but Keras on {keras.backend.backend()} keeps them as "
            f"{got}: allow it {net.dtype}, or fit on X of {got}."
        )
    return made


def from_keras(
    model: Any,
    *,
    classes: ArrayLike | None = None,
    loss: str = "squared_error",
    quantile: float | Sequence[float] = 0.5,
) -> Any:
    """A fitted estimator of a model of Keras 3.

    It predicts what the model does, and can all that a fitted estimator can: go on training with
    `warm_start=True` or `partial_fit`, stream, be looked into, be exported.

    Parameters
    ----------
    model : keras.Model
        A Sequential or functional model of LSTM or Bidirectional(LSTM) layers, then
        GlobalAveragePooling1D or GlobalMaxPooling1D or none of them, then one Dense, which may be
        in TimeDistributed; or one that `to_keras` made. Rescaling and Normalization may come
        before, and Input, Masking, Dropout and their like in between.
    classes : array-like of shape (n_classes,), default=None
        The labels of a classifier, in the order of the outputs; of a single output first that of
        the lower values. None: 0, 1, 2 and so on, if the model ends in a softmax or a sigmoid; else
        it is a regressor.
    loss : str, default="squared_error"
        Of a regressor, what outputs without an activation mean: as the parameter `loss` of
        `LSTMRegressor`. It also is the loss with which training goes on. With the activation
        "exponential" it is "poisson"; a model of `to_keras` says it by itself.
    quantile : float or array-like of float, default=0.5
        Those of loss="quantile".

    Returns
    -------
    estimator : LSTMRegressor or LSTMClassifier
        Parameters that are not those of the net have their defaults. It reads sequences of any
        number of steps. The weights are copies.

    Raises
    ------
    TypeError
        If it is no model, or a subclassed one.
    ValueError
        If a layer has no counterpart here, such as a GRU, or has settings that have none; the error
        names it.
    ImportError
        If Keras 3, or what it runs on, is not installed.

    See Also
    --------
    to_keras : The other way.

    Notes
    -----
    Steps that `Masking` leaves out are to be left out of X: pass a list of sequences, or NaN rows
    at the end. A sigmoid of several outputs, for labels that may come together, has no counterpart.
    Nothing of y was standardised, so training goes on in its units; a fit that starts anew
    (without `warm_start`, or in `GridSearchCV`) standardises as its parameters say. Dropout is not
    taken over.

    References
    ----------
    .. [1] Chollet et al. (2015), Keras. https://keras.io

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.interop import from_keras
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> import keras  # doctest: +SKIP
    >>> layers = [keras.Input((None, 2)), keras.layers.LSTM(8), keras.layers.Dense(1)]
    ... # doctest: +SKIP
    >>> model = from_keras(keras.Sequential(layers))  # doctest: +SKIP
    >>> model.predict(X).shape  # doctest: +SKIP
    (100,)
    >>> model = model.set_params(warm_start=True, tol=1e-3).fit(X, X[:, -1, 0])  # doctest: +SKIP
    """
    keras = _keras("from_keras")
    own = read_name(model.name) if isinstance(model, keras.Model) else None
    if own is not None:
        return _of_own_model(keras, model, own, classes)
    parts = read_parts(keras, read_chain(keras, model))
    meaning = _meaning(parts, classes, loss, quantile)
    return fitted_estimator(parts.layers, parts.head, parts.pooling, meaning, parts.scaling)


def _of_own_model(keras, model, own, classes):
    """Of a model of `to_keras`, whose operations between layers are known."""
    pooling, loss, quantile = own
    parts = read_parts(keras, list(model.layers))
    if loss is None:
        meaning = _meaning(parts, classes, "squared_error", quantile)
    else:
        meaning = Meaning(None, loss, quantile)
    return fitted_estimator(parts.layers, parts.head, pooling, meaning, parts.scaling)


def _meaning(parts, classes, loss, quantile):
    """What the outputs of a model mean, by its activation."""
    n_raw = len(parts.head.bias)
    if parts.activation == "exponential":
        if classes is not None:
            raise ValueError(
                "A model that ends in 'exponential' is no classifier: leave classes out."
            )
        return Meaning(None, "poisson", quantile)
    if parts.activation == "sigmoid" and n_raw > 1:
        raise ValueError(
            f"A sigmoid of {n_raw} outputs is for labels that may come together, which sklstm "
            "does not predict: it must be of one output, or a softmax."
        )
    if parts.activation == "softmax" and n_raw == 1:
        raise ValueError("A softmax of one output is always 1: it must be of at least 2.")
    if parts.activation in ("sigmoid", "softmax") and classes is None:
        classes = np.arange(max(2, n_raw))
    return Meaning(classes, loss, quantile)


def _keras(what):
    keras = needed("keras", what)
    if int(keras.__version__.partition(".")[0]) < 3:
        raise ImportError(f'{what} needs Keras 3, got {keras.__version__}: pip install "keras>=3".')
    return keras
