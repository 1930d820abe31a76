"""To PyTorch and from it. Its gates are in the order of sklstm, in matrices of the same shapes."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklstm._parts import take_apart
from sklstm.interop._fitted import Head, Meaning, fitted_estimator
from sklstm.interop._net import Cell, read_net
from sklstm.interop._packages import needed


def to_torch(estimator: Any) -> Any:
    """A fitted estimator as a module of PyTorch.

    Parameters
    ----------
    estimator : LSTMRegressor or LSTMClassifier
        Fitted.

    Returns
    -------
    module : torch.nn.Module
        `module(x, lengths=None)` of a Tensor x of shape (n_samples, n_timesteps, n_features) is
        what `predict` of the regressor, or `predict_proba` of the classifier returns; `lengths`
        are the steps of sequences that are shorter. `module.raw(x, lengths)` are the raw outputs,
        to train on; `module(x, return_std=True)` returns deviations too. It has the weights of the
        estimator, in their dtype: `module.lstm` is an `nn.LSTM`, or a list of them if layers have
        different numbers of units, and `module.linear` an `nn.Linear`.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, or a pipeline.
    ImportError
        If PyTorch is not installed.

    See Also
    --------
    from_torch : The other way.

    Notes
    -----
    Features are standardised in `module.lstm`, which reads X in its own units; so a copy of these
    two parts, with `from_torch`, is the net again. Dropout is not part of the module.

    References
    ----------
    .. [1] Paszke et al. (2019), PyTorch: an imperative style, high-performance deep learning
       library. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.interop import to_torch
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> model = LSTMRegressor(8, tol=1e-3, random_state=0).fit(X, X[:, -1, 0])
    >>> import torch  # doctest: +SKIP
    >>> module = to_torch(model)  # doctest: +SKIP
    >>> y = module(torch.from_numpy(X))  # doctest: +SKIP
    >>> np.allclose(y.detach(), model.predict(X))  # doctest: +SKIP
    True
    """
    torch = needed("torch", "to_torch")
    transformers, model = take_apart(estimator, "estimator")
    if transformers:
        raise ValueError(
            "to_torch takes the net without the transformers of its pipeline, which PyTorch does "
            "not have: transform X, and pass estimator[-1]."
        )
    from sklstm.interop._torch_net import LSTMNet

    net = read_net(model)
    dtype = getattr(torch, net.dtype.name)
    linear = torch.nn.Linear(net.output_weights.shape[1], net.n_raw, dtype=dtype)
    _set(torch, linear, weight=net.output_weights, bias=net.output_bias)
    lstm = _as_lstm(torch, net, dtype)
    loss, quantile = getattr(model, "_fitted_loss", None), getattr(model, "_fitted_quantile", None)
    return LSTMNet(lstm, linear, net, loss, quantile)


def _as_lstm(torch, net, dtype):
    """One nn.LSTM, or a list of them, one a layer."""
    units = net.units
    if len(set(units)) == 1:
        return _stack(torch, net, dtype, net.layers)
    return torch.nn.ModuleList(_stack(torch, net, dtype, [layer]) for layer in net.layers)


def _stack(torch, net, dtype, layers):
    """An nn.LSTM of layers of the same number of units."""
    from sklstm.interop._torch_net import StandardizingLSTM

    sizes = layers[0][0].input_weights.shape[1], layers[0][0].recurrent_weights.shape[1]
    options = {
        "num_layers": len(layers), "batch_first": True, "bidirectional": net.bidirectional,
        "dtype": dtype,
    }  # fmt: skip
    if net.standardises and layers[0] is net.layers[0]:
        lstm = StandardizingLSTM(net.mean, net.scale, *sizes, **options)
    else:
        lstm = torch.nn.LSTM(*sizes, **options)
    for number, layer in enumerate(layers):
        for cell, direction in zip(layer, ("", "_reverse"), strict=False):
            of_cell = f"_l{number}{direction}"
            _set(
                torch, lstm,
                **{
                    f"weight_ih{of_cell}": cell.input_weights,
                    f"weight_hh{of_cell}": cell.recurrent_weights,
                    f"bias_ih{of_cell}": cell.bias,
                    # The sum of both is what counts.
                    f"bias_hh{of_cell}": np.zeros_like(cell.bias),
                },
            )  # fmt: skip
    return lstm


def _set(torch, module, **arrays):
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(module, name).copy_(torch.from_numpy(np.array(array)))


def from_torch(
    lstm: Any,
    linear: Any = None,
    *,
    pooling: str | None = "last",
    classes: ArrayLike | None = None,
    loss: str = "squared_error",
    quantile: float | Sequence[float] = 0.5,
) -> Any:
    """A fitted estimator of layers of PyTorch.

    It predicts as a net that runs `lstm`, then `pooling`, then `linear`, and can all that a fitted
    estimator can: go on training with `warm_start=True` or `partial_fit`, stream, be looked into,
    be exported.

    Parameters
    ----------
    lstm : nn.LSTM or list of nn.LSTM
        The layers, bottom to top; or a module that `to_torch` made, which says all by itself.
    linear : nn.Linear, default=None
        What makes outputs of hidden states. Not with a module of `to_torch`.
    pooling : {"last", "mean", "max"} or None, default="last"
        What `linear` reads: the final hidden state of each direction (`h_n`), the mean or the
        largest value over all steps, or each step.
    classes : array-like of shape (n_classes,), default=None
        The labels of a classifier, in the order of the outputs, whose softmax are probabilities.
        With a single output, two: it is the logit of the second. None: a regressor.
    loss : str, default="squared_error"
        Of a regressor, what its outputs mean: as the parameter `loss` of `LSTMRegressor`. It also
        is the loss with which training goes on.
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
        If these are no layers of these types: a GRU has other equations.
    ValueError
        If `lstm` has projections (`proj_size`), or the layers do not fit together, or have no
        numbers of float32 or float64, or do not go with `classes` or `loss`.
    ImportError
        If PyTorch is not installed.

    See Also
    --------
    to_torch : The other way.

    Notes
    -----
    Nothing was standardised, so training goes on in the units of X and y. A fit that starts anew
    (without `warm_start`, or in `GridSearchCV`) standardises as its parameters say. Dropout between
    layers is not taken over: sklstm's is another (see `dropout`). PyTorch adds two biases where one
    is enough, which are taken as their sum; without biases they are 0.

    Of two outputs for two classes only the difference counts: it becomes one.

    References
    ----------
    .. [1] Paszke et al. (2019), PyTorch: an imperative style, high-performance deep learning
       library. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.interop import from_torch
    >>> X = np.random.RandomState(0).normal(size=(100, 12, 2))
    >>> from torch import nn  # doctest: +SKIP
    >>> lstm, linear = nn.LSTM(2, 8), nn.Linear(8, 1)  # doctest: +SKIP
    >>> model = from_torch(lstm, linear)  # doctest: +SKIP
    >>> model.predict(X).shape  # doctest: +SKIP
    (100,)
    >>> model = model.set_params(warm_start=True, tol=1e-3).fit(X, X[:, -1, 0])  # doctest: +SKIP
    """
    torch = needed("torch", "from_torch")
    from sklstm.interop._torch_net import LSTMNet

    meaning = Meaning(classes, loss, quantile)
    if isinstance(lstm, LSTMNet):
        if linear is not None or pooling != "last" or meaning != Meaning():
            raise ValueError(
                "A module that to_torch made says by itself what follows lstm: pass it alone."
            )
        meaning = Meaning(lstm.classes, lstm.loss or loss, lstm.quantile or quantile)
        lstm, linear, pooling = lstm.lstm, lstm.linear, lstm.pooling
    layers = _read_layers(torch, lstm)
    head = _read_linear(torch, linear, layers)
    scaling = _read_scaling(lstm)
    return fitted_estimator(layers, head, pooling, meaning, scaling)


def _read_layers(torch, lstm):
    """The cells of each layer, from an nn.LSTM or a list of them."""
    nn = torch.nn
    stacks = list(lstm) if isinstance(lstm, list | tuple | nn.ModuleList) else [lstm]
    for each in stacks:
        if not isinstance(each, nn.LSTM):
            raise TypeError(
                f"lstm must be an nn.LSTM or a list of them, got {type(each).__name__}."
            )
        if each.proj_size:
            raise ValueError(
                f"lstm must have proj_size=0, got {each.proj_size}: the cells of sklstm have no "
                "projection of the hidden state."
            )
    if not stacks:
        raise ValueError("lstm must be an nn.LSTM or a list of them, got an empty list.")
    _refuse_scaling_inside(stacks)
    if len({each.bidirectional for each in stacks}) > 1:
        raise ValueError("All of lstm must be bidirectional, or none: sklstm has no mixture.")
    for below, above in pairwise(stacks):
        outputs = below.hidden_size * (1 + below.bidirectional)
        if above.input_size != outputs:
            raise ValueError(
                f"An LSTM of {outputs} outputs is followed by one of {above.input_size} inputs."
            )
    return [
        [_read_cell(torch, each, f"_l{number}{direction}") for direction in _directions(each)]
        for each in stacks
        for number in range(each.num_layers)
    ]


def _refuse_scaling_inside(stacks):
    from sklstm.interop._torch_net import StandardizingLSTM

    if any(isinstance(each, StandardizingLSTM) for each in stacks[1:]):
        raise ValueError("Only the first of lstm may standardise what it reads, got another.")


def _directions(lstm):
    return ("", "_reverse") if lstm.bidirectional else ("",)


def _read_cell(torch, lstm, of_cell):
    input_weights = _array(torch, getattr(lstm, f"weight_ih{of_cell}"))
    recurrent_weights = _array(torch, getattr(lstm, f"weight_hh{of_cell}"))
    bias = np.zeros(len(input_weights), input_weights.dtype)
    if lstm.bias:
        for name in ("bias_ih", "bias_hh"):
            bias = bias + _array(torch, getattr(lstm, name + of_cell))
    return Cell(input_weights, recurrent_weights, bias)


def _read_linear(torch, linear, layers):
    if not isinstance(linear, torch.nn.Linear):
        raise TypeError(f"linear must be an nn.Linear, got {type(linear).__name__}.")
    inputs = len(layers[-1]) * layers[-1][0].recurrent_weights.shape[1]
    if linear.in_features != inputs:
        raise ValueError(
            f"linear must have the {inputs} outputs of lstm as inputs, got {linear.in_features}."
        )
    weights = _array(torch, linear.weight)
    dtype = layers[0][0].bias.dtype
    if weights.dtype != dtype:
        raise ValueError(f"linear must be of {dtype}, as lstm is, got {weights.dtype}.")
    bias = np.zeros(len(weights), dtype) if linear.bias is None else _array(torch, linear.bias)
    return Head(weights, bias)


def _read_scaling(lstm):
    """What a module of `to_torch` does to features; None of others."""
    from sklstm.interop._torch_net import StandardizingLSTM

    first = lstm if not isinstance(lstm, Iterable) else next(iter(lstm))
    if not isinstance(first, StandardizingLSTM):
        return None
    return first.scaling.cpu().numpy()


def _array(torch, tensor):
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"Weights must be of float32 or float64, got {tensor.dtype}: convert the layers with "
            ".float() first."
        )
    return tensor.detach().cpu().numpy().copy()
