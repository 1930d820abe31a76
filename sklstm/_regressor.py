"""LSTMRegressor: its parameters and its predictions."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_array, column_or_1d

from sklstm._base import BaseLSTM


class LSTMRegressor(RegressorMixin, BaseLSTM):
    """Regression on sequences by a long short-term memory network.

    One or more LSTM layers read each sequence; a dense layer turns what the top one ends with into
    one or many outputs, so that a forecast of several steps is a y of several columns. Parameters
    that `sklearn.neural_network.MLPRegressor` has too keep its names and defaults, except
    `batch_size`.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        LSTM units of each stacked layer, bottom to top; an int is one layer.
    bidirectional : bool, default=False
        Whether each layer also reads the sequence backwards; the two are concatenated.
    forget_bias : float or "chrono", default=1.0
        Start of the forget gate's bias [2]_. It decides how long a memory is found: the higher, the
        longer. "chrono" draws log(U[1, longest - 1]), and its negative for the input gate [3]_.
    pooling : {"last", "mean"}, default="last"
        What the dense layer reads: the final hidden state of each direction, or the mean over the
        sequence's own steps.
    n_timesteps : int, default=None
        How to read 2-D X. None: every column is one time step of one feature. An int: a row is
        `n_timesteps` blocks of features, oldest first, as of `row.reshape(n_timesteps, -1)`.
    loss : {"squared_error"}, default="squared_error"
        What is minimised, on average over samples and outputs: half the squared error.
    normalize_y : bool, default=True
        Whether to fit on standardised targets, and fold mean and scale into the output layer:
        predictions and attributes are in the units of y.
    solver : {"adam"}, default="adam"
        The optimizer: Adam [4]_.
    alpha : float, default=1e-4
        Strength of the L2 penalty on weights, not biases. It is divided by the sum of a minibatch's
        sample weights when added to the loss.
    batch_size : int, default=32
        Sequences of a minibatch; at most the number of samples.
    learning_rate_init : float, default=1e-3
        The step size.
    max_iter : int, default=200
        The most epochs.
    shuffle : bool, default=True
        Whether to shuffle samples in each epoch.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, and the order of samples. With an int, fits are the same bit for
        bit, whatever the number of threads.
    tol : float, default=1e-4
        An epoch improves if it lowers the loss by at least `tol`.
    verbose : bool, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether `fit` continues where the last one ended: `max_iter` more epochs, with the weights,
        the optimizer's state and the scale of the targets as they were.
    beta_1 : float, default=0.9
        Decay of Adam's first moment.
    beta_2 : float, default=0.999
        Decay of Adam's second moment.
    epsilon : float, default=1e-8
        Keeps Adam's division stable.
    n_iter_no_change : int, default=10
        Training stops after more epochs in a row than this without improvement.
    max_grad_norm : float or None, default=1.0
        A longer gradient is scaled down to this Euclidean norm [5]_; None: never.

    Attributes
    ----------
    n_features_in_ : int
        Columns of 2-D X, or features of 3-D X, seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only if X had string names for all.
    n_timesteps_ : int
        Steps of the sequences seen in fit.
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
    loss_curve_ : list of float
        The loss of each epoch: the mean over the minibatches as they were, penalty included.
    input_weights_, recurrent_weights_, biases_ : list of ndarray
        Of shapes (4 units, inputs), (4 units, units) and (4 units,), one for each layer and
        direction, forward before backward. Gates are in the order input, forget, cell, output.
    output_weights_ : ndarray of shape (n_outputs, head inputs)
        Weights of the dense layer.
    output_bias_ : ndarray of shape (n_outputs,)
        Biases of the dense layer.

    References
    ----------
    .. [1] Hochreiter & Schmidhuber (1997), Long short-term memory. Neural Computation 9(8).
    .. [2] Jozefowicz, Zaremba & Sutskever (2015), An empirical exploration of recurrent network
       architectures. ICML.
    .. [3] Tallec & Ollivier (2018), Can recurrent neural networks warp time? ICLR.
    .. [4] Kingma & Ba (2015), Adam: a method for stochastic optimization. ICLR.
    .. [5] Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural
       networks. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> wave = np.sin(0.3 * np.arange(300))
    >>> windows = np.lib.stride_tricks.sliding_window_view(wave, 21)
    >>> X, y = windows[:, :20], windows[:, 20]
    >>> model = LSTMRegressor(16, learning_rate_init=0.01, max_iter=40, tol=0, random_state=0)
    >>> import warnings; warnings.simplefilter("ignore")
    >>> round(model.fit(X[:200], y[:200]).score(X[200:], y[200:]), 2)
    1.0
    """

    _parameter_constraints: dict = {
        **BaseLSTM._parameter_constraints,
        "loss": [StrOptions({"squared_error"})],
        "normalize_y": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        bidirectional=False,
        forget_bias=1.0,
        pooling="last",
        n_timesteps=None,
        loss="squared_error",
        normalize_y=True,
        solver="adam",
        alpha=1e-4,
        batch_size=32,
        learning_rate_init=1e-3,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_grad_norm=1.0,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.forget_bias = forget_bias
        self.pooling = pooling
        self.n_timesteps = n_timesteps
        self.loss = loss
        self.normalize_y = normalize_y
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_grad_norm = max_grad_norm

    def predict(self, X):
        """Predict the targets of sequences.

        A prediction does not depend on the other rows of X, bit for bit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features)
            The sequences, with the timesteps and features seen in fit.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, in the dtype of X if it is float32, else in float64.

        Raises
        ------
        NotFittedError
            Before fit.
        ValueError
            If X cannot be read, or has other timesteps or features.
        """
        prediction = self._loss().inverse_link(self._raw_output(X))
        return prediction[:, 0] if prediction.shape[1] == 1 else prediction

    def _check_y(self, y):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        y = check_array(y, dtype=np.float64, ensure_2d=False, estimator=self, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y.reshape(len(y), -1)

    def _target_scale(self, y, sample_weight):
        if not self.normalize_y:
            return np.zeros(y.shape[1]), np.ones(y.shape[1])
        scaler = StandardScaler().fit(y, sample_weight=sample_weight)
        return scaler.mean_, scaler.scale_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
