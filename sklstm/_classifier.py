"""LSTMClassifier: labels to targets, raw outputs to probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from sklstm._base import BaseLSTM, can_partial_fit
from sklstm._fit import Given
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._targets import ClassTargets
from sklstm._typing import Floats, SequencesLike, keeps_type

# What a logit is to each of two classes.
_OF_TWO = np.array([-1.0, 1.0])
# No probability is smaller.
_LEAST = np.finfo(np.float64).tiny


class LSTMClassifier(ClassifierMixin, BaseLSTM):
    """Classification of sequences by a long short-term memory network.

    One or more LSTM layers read each sequence [1]_; a dense layer turns what the top one ends with
    into one logit for two classes, or one raw output a class for more, whose softmax are the
    probabilities. The log loss is minimised. Parameters that
    `sklearn.neural_network.MLPClassifier` has too keep its names and defaults, except those of
    `hidden_layer_sizes` and `batch_size`.

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
        an answer for each, and y has a label for each step, in the form of X; see `fit`.
    n_timesteps : int, default=None
        How to read 2-D X. None: every column is one time step of one feature. An int: a row is
        `n_timesteps` blocks of features, oldest first, as of `row.reshape(n_timesteps, -1)`.
    normalize_X : bool, default=True
        Whether to fit on standardised features: each less its mean, divided by its deviation, over
        all steps of the training rows, by sample and class weight. Constant features are only
        centred. The first fit of a warm start, or the first `partial_fit`, fixes both. Weights
        that are read are in the units of X.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, which multiply those of the samples: {label: weight}, 1 for labels
        left out; or inverse to the classes' shares of the samples' weights. None: 1. Not "balanced"
        in partial_fit.
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        The optimizer: Adam [6]_, Adam with decoupled weight decay [7]_, gradient descent with
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
        weights of the best epoch. The score is accuracy.
    validation_fraction : float, default=0.1
        The share that is held out: at random and stratified if `shuffle`, else the last part in
        order, as time series need it.
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
        steps of a sequence [8]_.
    max_grad_norm : float or None, default=None
        A longer gradient is scaled down to this Euclidean norm [9]_; None: never. 1 can help where
        memory has to be long; elsewhere it can let rounding grow and losses of small data end
        higher, most of all with normalize_X=False. Not with solver="lbfgs".
    bptt_steps : int or None, default=None
        The gradient is cut every so many steps [10]_: a chunk starts from states that count as
        constants, so that nothing is learned of what lies farther back than its first step. Chunks
        are counted back from the last step of each sequence; only its first chunk may be shorter.
        Those of the backward direction are counted from step 0, which it reads last. It saves time
        and memory with pooling="last", where the gradient comes to the last chunk alone, and with
        pooling=None; not with bidirectional=True. None: the gradient is exact. Predictions read all
        steps, whatever it is.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Columns of 2-D X, or features of 3-D X, seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only if X had string names for all.
    n_timesteps_ : int or None
        Steps of the sequences seen in fit; None if X was a list or had NaN rows at the end, so that
        lengths may vary.
    n_outputs_ : int
        Raw outputs: 1 for two classes, else one a class.
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
    output_weights_ : ndarray of shape (n_outputs, head inputs)
        Weights of the dense layer.
    output_bias_ : ndarray of shape (n_outputs,)
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
    .. [6] Kingma & Ba (2015), Adam: a method for stochastic optimization. ICLR.
    .. [7] Loshchilov & Hutter (2019), Decoupled weight decay regularization. ICLR.
    .. [8] Gal & Ghahramani (2016), A theoretically grounded application of dropout in recurrent
       neural networks. NeurIPS.
    .. [9] Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural
       networks. ICML.
    .. [10] Williams & Peng (1990), An efficient gradient-based algorithm for on-line training of
       recurrent network trajectories. Neural Computation 2(4).

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMClassifier
    >>> X = np.random.RandomState(0).normal(size=(300, 12, 1)).cumsum(axis=1)
    >>> y = np.where(X[:, -1, 0] > X[:, 0, 0], "up", "down")
    >>> model = LSTMClassifier(16, learning_rate_init=0.01, max_iter=30, tol=0, random_state=0)
    >>> model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.85
    True
    """

    class_weight: Mapping[Any, float] | str | None
    classes_: np.ndarray

    _targets = ClassTargets
    _parameter_constraints: dict = {
        **BaseLSTM._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
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
        class_weight: Mapping[Any, float] | str | None = None,
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
        self,
        X: SequencesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one pass over the given rows, from where the last call ended.

        The first call fixes timesteps, features and their scales, and classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences.
        y : array-like of shape (n_samples,)
            The labels; with pooling=None one for each step, as of `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come. Needed in the first call, and may be left out after.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the data cannot be used, or has another shape or other classes than in the first
            call. The estimator is left as it was.
        """
        return self._partial_fit(X, y, sample_weight, classes)

    def decision_function(self, X: SequencesLike) -> Floats:
        """The raw outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, with the timesteps and features seen in fit; in a list or padded also
            shorter ones.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the logit of the second. With pooling=None one for each step, as of
            `predict`.
        """
        return self._output(X, "decision_function")

    def predict(self, X: SequencesLike) -> NDArray[Any]:
        """Predict the labels of sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, with the timesteps and features seen in fit; in a list or padded also
            shorter ones.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The labels. With pooling=None one for each step, in the form of X: (n_samples,
            n_timesteps), NaN on padding, or a list of arrays (timesteps_i,).
        """
        return self._output(X, "predict")

    def predict_proba(self, X: SequencesLike) -> Floats:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, with the timesteps and features seen in fit; in a list or padded also
            shorter ones.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, in float64; never 0, but the smallest normal number. With
            pooling=None for each step, as of `predict`: (n_samples, n_timesteps, n_classes).
        """
        return self._output(X, "predict_proba")

    def predict_log_proba(self, X: SequencesLike) -> Floats:
        """Predict the logarithms of the classes' probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences, with the timesteps and features seen in fit; in a list or padded also
            shorter ones.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, in float64. With pooling=None for each step, as of
            `predict_proba`.
        """
        return self._output(X, "predict_log_proba")

    def score(
        self, X: SequencesLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """The accuracy of the predicted labels.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, as of `predict`.
        y : array-like or list of array-like
            The labels, as of `fit`. With pooling=None, all steps that have one are samples.
        sample_weight : array-like, default=None
            Weights of the samples, as of `fit`.

        Returns
        -------
        score : float
        """
        # Imported here, since it takes as long as all of sklstm.
        with interrupts_held_back():
            from sklearn.metrics import accuracy_score

        return self._score(X, y, sample_weight, accuracy_score)

    def _decision_function_from(self, raw):
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def _predict_from(self, raw):
        return self.classes_[_most_likely(raw)]

    def _predict_proba_from(self, raw):
        return _probabilities(raw)

    def _predict_log_proba_from(self, raw):
        return _log_probabilities(raw)


def _most_likely(raw):
    """The place of each sample's label among the classes."""
    return raw.argmax(axis=1) if raw.shape[1] > 1 else (raw[:, 0] > 0).astype(int)


def _probabilities(raw):
    # Whatever a user told `np.seterr`.
    with np.errstate(all="ignore"):
        exact = _softmax(_double(raw)) if raw.shape[1] > 1 else expit(_double(raw) * _OF_TWO)
        return np.maximum(exact, _LEAST)


def _softmax(raw):
    """SciPy's takes longer for a row than a small net."""
    shares = np.exp(raw - raw.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def _log_probabilities(raw):
    with np.errstate(all="ignore"):
        raw = _double(raw)
        return log_softmax(raw, axis=1) if raw.shape[1] > 1 else log_expit(raw * _OF_TWO)


def _double(raw):
    """The raw output in float64: float32 cannot tell a probability near 1 from 1."""
    return raw.astype(np.float64)
