"""LSTMRegressor: its parameters and its predictions."""

from collections.abc import Sequence
from functools import partial
from numbers import Real
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseLSTM, can_partial_fit
from sklstm._fit import Given
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._targets import NumberTargets, fitted_loss, refuse_without_deviation
from sklstm._training.losses import LOSSES
from sklstm._typing import Floats, SequencesLike, keeps_type


class LSTMRegressor(RegressorMixin, BaseLSTM):
    """Regression on sequences by a long short-term memory network.

    One or more LSTM layers read each sequence [1]_; a dense layer turns what the top one ends with
    into one or many outputs, so that a forecast of several steps is a y of several columns.
    Parameters that `sklearn.neural_network.MLPRegressor` has too keep its names and defaults,
    except those of `hidden_layer_sizes` and `batch_size`.

    Input and output weights start Glorot uniform [2]_, recurrent weights orthogonal, gate by gate
    [3]_; biases of gates start at 0, except as `forget_bias` says.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        LSTM units of each stacked layer, bottom to top; an int is one layer.
    bidirectional : bool, default=False
        Whether each layer also reads the sequence backwards; the two are concatenated.
        Two or more such layers keep all steps of a long sequence in memory, where one does not.
    forget_bias : float or "chrono", default=1.0
        Start of the forget gate's bias [4]_. It decides how long a memory is found. "chrono", for a
        hundred steps or more, draws log(U[1, longest - 1]), and its negative for the input gate
        [5]_.
    pooling : {"last", "mean", "max"} or None, default="last"
        What the dense layer reads: the final hidden state of each direction, or of each unit the
        mean or the largest value over the sequence's own steps. None: every step, so that there is
        an answer for each, and y has a target for each step, in the form of X; see `fit`.
    n_timesteps : int, default=None
        How to read 2-D X. None: every column is one time step of one feature. An int: a row is
        `n_timesteps` blocks of features, oldest first, as of `row.reshape(n_timesteps, -1)`.
    normalize_X : bool, default=True
        Whether to fit on standardised features: each less its mean, divided by its deviation, over
        all steps of the training rows, by sample weight. Constant features are only centred. The
        first fit of a warm start, or the first `partial_fit`, fixes both. Weights that are read are
        in the units of X.
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson", "gaussian"}, \
            default="squared_error"
        What is minimised, on average over samples and outputs. Its optimum is the mean (the loss is
        half the squared error), the median, a mean that outliers pull less, the `quantile`, the
        mean of counts through a log link, which wants y of at least 0, or the mean and the standard
        deviation of a normal distribution [6]_, both of which `predict` can return.
    quantile : float or array-like of float, default=0.5
        The quantile that loss="quantile" predicts, between 0 and 1; or several in ascending order,
        which one net predicts together. They never cross, as they are sorted [7]_.
    huber_delta : float, default=1.35
        The error from which loss="huber" is linear; in standard deviations of y if `normalize_y`.
    normalize_y : bool, default=True
        Whether to fit on standardised targets, and fold mean and scale into the output layer:
        predictions and attributes are in the units of y. No effect with loss="poisson".
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        The optimizer: Adam [8]_, Adam with decoupled weight decay [9]_, gradient descent with
        momentum, RMSprop, all as in PyTorch; or L-BFGS on all samples at once, by scipy.
    alpha : float, default=1e-4
        Strength of the L2 penalty on weights, not biases. It is divided by the number of a
        minibatch's samples when added to the loss. With solver="adamw" it is the decay
        instead: a step shrinks weights by a share of learning rate times `alpha`.
    batch_size : int, default=32
        Sequences of a minibatch; at most the number of samples. Not with solver="lbfgs".
    learning_rate : {"constant", "invscaling", "adaptive", "cosine"}, default="constant"
        How the step size changes, for every solver but "lbfgs": not at all; as
        `learning_rate_init / (samples seen + 1) ** power_t`; divided by 5 each time that patience
        runs out, until 1e-6; or along half a cosine to 0 at `max_iter`.
    learning_rate_init : float, default=1e-3
        The step size at the start.
    power_t : float, default=0.5
        Exponent of learning_rate="invscaling".
    max_iter : int, default=200
        The most epochs; iterations of solver="lbfgs". To end there warns, unless it was planned:
        with learning_rate="cosine" or n_iter_no_change=np.inf.
    shuffle : bool, default=True
        Whether to shuffle samples in each epoch, and draw the validation set at random.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the validation set, the order of samples and dropout. With an
        int, fits are the same bit for bit, whatever the number of threads.
    tol : float, default=1e-4
        An epoch improves if it lowers the loss, or raises the validation score, by at least `tol`.
        For solver="lbfgs", the largest entry of the gradient at which it has converged.
    verbose : bool, default=False
        Whether to print the loss of each epoch, and to say when kernels are compiled.
    warm_start : bool, default=False
        Whether `fit` continues where the last one ended: `max_iter` more epochs, with the weights,
        the optimizer's state and the scale of features and targets as they were. With validation,
        these weights are scored anew, and kept if no epoch does better.
    momentum : float, default=0.9
        Momentum of solver="sgd".
    nesterovs_momentum : bool, default=True
        Whether it is Nesterov's.
    early_stopping : bool, default=False
        Whether to hold out a part of the data, stop when its score does not improve, and keep the
        weights of the best epoch. The score is R2 for loss="squared_error", else minus the mean
        loss, of targets standardised as in training.
    validation_fraction : float, default=0.1
        The share that is held out: at random if `shuffle`, else the last part in order, as time
        series need it.
    beta_1 : float, default=0.9
        Decay of the first moment of "adam" and "adamw".
    beta_2 : float, default=0.999
        Decay of the second moment of "adam", "adamw" and "rmsprop".
    epsilon : float, default=1e-8
        Keeps the division of "adam", "adamw" and "rmsprop" stable.
    n_iter_no_change : int or np.inf, default=10
        Patience runs out after more epochs in a row than this without improvement; np.inf: never.
    max_fun : int, default=15000
        The most evaluations of the loss by solver="lbfgs".
    dropout : float, default=0.0
        Share of the inputs of every layer and of the dense layer that is dropped in training, the
        same for all steps of a sequence.
    recurrent_dropout : float, default=0.0
        Share of the hidden state that is dropped on its way to the next step, the same for all
        steps of a sequence [10]_.
    max_grad_norm : float or None, default=None
        A longer gradient is scaled down to this Euclidean norm [11]_; None: never. 1 can help where
        memory has to be long; elsewhere it can let rounding grow and losses of small data end
        higher, most of all with normalize_X=False. Not with solver="lbfgs".
    bptt_steps : int or None, default=None
        The gradient is cut every so many steps [12]_: a chunk starts from states that count as
        constants, so that nothing is learned of what lies farther back than its first step. Chunks
        are counted back from the last step of each sequence; only its first chunk may be shorter.
        Those of the backward direction are counted from step 0, which it reads last. It saves time
        and memory with pooling="last", where the gradient comes to the last chunk alone, and with
        pooling=None; not with bidirectional=True. None: the gradient is exact. Predictions read all
        steps, whatever it is.

    Attributes
    ----------
    n_features_in_ : int
        Columns of 2-D X, or features of 3-D X, seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only if X had string names for all.
    n_timesteps_ : int or None
        Steps of the sequences seen in fit; None if X was a list or had NaN rows at the end, so that
        lengths may vary.
    n_outputs_ : int
        Columns of y.
    n_layers_ : int
        LSTM layers, plus the input and the output.
    n_iter_ : int
        Epochs run.
    t_ : int
        Samples seen in training, with repetition.
    loss_, best_loss_ : float
        The loss of the last epoch, and the lowest.
    validation_scores_ : list of float or None
        The validation score of each epoch, if there is a validation set.
    validation_loss_curve_ : list of float or None
        The mean loss of the validation data after each epoch, without the penalty, to be compared
        with `loss_curve_`. None if there are none.
    best_validation_score_ : float or None
        The best score in the last fit, by its loss and its validation data: that of the weights
        which it kept. None if it validated on nothing.
    loss_curve_ : list of float
        The loss of each epoch: the mean over the minibatches as they were, penalty included.
        It is a new list each time that it is asked for; `loss_` is the last one.
    input_weights_, recurrent_weights_, biases_ : list of ndarray
        Of shapes (4 units, inputs), (4 units, units) and (4 units,), one for each layer and
        direction, forward before backward. Gates are in the order input, forget, cell, output.
        These and those of the output are read-only; `sklstm.interop` makes an estimator of given
        weights.
    output_weights_ : ndarray of shape (raw outputs, head inputs)
        Weights of the dense layer. A raw output is one of y; with several quantiles one each, of
        the first output of y, then of the next; with loss="gaussian" a mean and the log of a
        standard deviation.
    output_bias_ : ndarray of shape (raw outputs,)
        Biases of the dense layer.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory. Neural Computation 9(8).
    .. [2] Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural
       networks. AISTATS.
    .. [3] Saxe, McClelland & Ganguli (2014), Exact solutions to the nonlinear dynamics of learning
       in deep linear neural networks. ICLR.
    .. [4] Jozefowicz, Zaremba & Sutskever (2015), An empirical exploration of recurrent network
       architectures. ICML.
    .. [5] Tallec & Ollivier (2018), Can recurrent neural networks warp time? ICLR.
    .. [6] Nix & Weigend (1994), Estimating the mean and variance of the target probability
       distribution. ICNN.
    .. [7] Chernozhukov, Fernandez-Val & Galichon (2010), Quantile and probability curves without
       crossing. Econometrica 78(3).
    .. [8] Kingma & Ba (2015), Adam: a method for stochastic optimization. ICLR.
    .. [9] Loshchilov & Hutter (2019), Decoupled weight decay regularization. ICLR.
    .. [10] Gal & Ghahramani (2016), A theoretically grounded application of dropout in recurrent
       neural networks. NeurIPS.
    .. [11] Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural
       networks. ICML.
    .. [12] Williams & Peng (1990), An efficient gradient-based algorithm for on-line training of
       recurrent network trajectories. Neural Computation 2(4).

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> wave = np.sin(0.3 * np.arange(300))
    >>> windows = np.lib.stride_tricks.sliding_window_view(wave, 21)
    >>> X, y = windows[:, :20], windows[:, 20]
    >>> model = LSTMRegressor(16, learning_rate_init=0.01, max_iter=40, tol=0, random_state=0)
    >>> round(model.fit(X[:200], y[:200]).score(X[200:], y[200:]), 2)
    1.0
    """

    loss: str
    quantile: float | Sequence[float] | NDArray[np.floating[Any]]
    huber_delta: float
    normalize_y: bool

    _targets = NumberTargets
    _parameter_constraints: dict = {
        **BaseLSTM._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "normalize_y": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]] = (64,),
        *,
        bidirectional: bool = False,
        forget_bias: float | str = 1.0,
        pooling: str | None = "last",
        n_timesteps: int | None = None,
        normalize_X: bool = True,
        loss: str = "squared_error",
        quantile: float | Sequence[float] | NDArray[np.floating[Any]] = 0.5,
        huber_delta: float = 1.35,
        normalize_y: bool = True,
        solver: str = "adam",
        alpha: float = 1e-4,
        batch_size: int = 32,
        learning_rate: str = "constant",
        learning_rate_init: float = 1e-3,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        max_grad_norm: float | None = None,
        bptt_steps: int | None = None,
    ) -> None:
        self._store(locals())

    @keeps_type(_fit_context(prefer_skip_nested_validation=True))
    def fit(
        self,
        X: SequencesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: SequencesLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        return self._fit(Given(X, y, sample_weight, X_val, y_val))

    @keeps_type(available_if(can_partial_fit))
    @keeps_type(_fit_context(prefer_skip_nested_validation=True))
    def partial_fit(
        self, X: SequencesLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one pass over the given rows, from where the last call ended.

        The first call fixes timesteps, features, outputs, and the scales of features and targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets, as of `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, as of `fit`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the data cannot be used, or has another shape than in the first call. The estimator
            is left as it was.
        """
        return self._partial_fit(X, y, sample_weight)

    @overload
    def predict(self, X: SequencesLike, return_std: Literal[False] = False) -> Floats: ...

    @overload
    def predict(self, X: SequencesLike, return_std: Literal[True]) -> tuple[Floats, Floats]: ...

    def predict(self, X: SequencesLike, return_std: bool = False) -> Any:
        """Predict the targets of sequences.

        A prediction does not depend on the other rows of X, bit for bit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, with the timesteps and features seen in fit; in a list or padded also
            shorter ones.
        return_std : bool, default=False
            Whether to return standard deviations too, which loss="gaussian" has.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, in the dtype of X if it is float32, else in float64. With pooling=None
            one for each step, in the form of X: (n_samples, n_timesteps) or (n_samples,
            n_timesteps, n_outputs), NaN on padding, or a list of arrays (timesteps_i,) or
            (timesteps_i, n_outputs). Of several quantiles there is one more axis, the last:
            (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles), ascending.
        std : ndarray of the shape of y
            With `return_std`: the standard deviations of the predicted normal distributions.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If X cannot be read, or has other timesteps or features; or if deviations are asked of
            a net that has none.
        """
        if not return_std:
            return self._output(X, "predict")
        # Another thread may fit this estimator meanwhile.
        net = self._as_it_stands()
        check_is_fitted(net)
        refuse_without_deviation(net)
        return net._output(X, "predict_with_std")

    def score(
        self, X: SequencesLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """R2, the coefficient of determination; of loss="quantile", D2 of the pinball loss.

        D2 is 1 for a perfect prediction, and 0 for one that knows but the quantile of y. Of several
        quantiles, it is the mean.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, as of `predict`.
        y : array-like or list of array-like
            The targets, as of `fit`. With pooling=None, all steps that have one are samples.
        sample_weight : array-like, default=None
            Weights of the samples, as of `fit`.

        Returns
        -------
        score : float
        """
        # Imported here, since it takes as long as all of sklstm.
        with interrupts_held_back():
            from sklearn.metrics import r2_score

        net = self._as_it_stands()
        check_is_fitted(net)
        is_quantile = net._fitted_loss == "quantile"
        metric = partial(_d2_pinball, net._fitted_quantile) if is_quantile else r2_score
        return net._score(X, y, sample_weight, metric)

    def _predict_from(self, raw):
        loss = fitted_loss(self)
        if not loss.predicts_raw:
            # Whatever a user told `np.seterr`; to set it takes as long as a small net.
            with np.errstate(all="ignore"):
                raw = loss.inverse_link(raw)
        return _without_outputs_if_one(raw)

    def _predict_with_std_from(self, raw):
        with np.errstate(all="ignore"):
            deviation = fitted_loss(self).deviation(raw)
        return self._predict_from(raw), _without_outputs_if_one(deviation)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _without_outputs_if_one(prediction):
    """Of a y of one column, the axis of columns is left out."""
    return prediction[:, 0] if prediction.shape[1] == 1 else prediction


def _d2_pinball(quantile, y, prediction, sample_weight):
    """D2 of the pinball loss, the mean over quantiles and outputs."""
    # Imported here, since it takes as long as all of sklstm.
    with interrupts_held_back():
        from sklearn.metrics import d2_pinball_score

    if not isinstance(quantile, tuple):
        return d2_pinball_score(y, prediction, alpha=quantile, sample_weight=sample_weight)
    return np.mean(
        [_d2_pinball(q, y, prediction[..., n], sample_weight) for n, q in enumerate(quantile)]
    )
