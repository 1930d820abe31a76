"""What the regressor and the classifier share: parameters, fit, fitted attributes."""

import warnings
from abc import ABCMeta, abstractmethod
from copy import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from sklstm._network.parameters import Architecture, initial_weights, named_views
from sklstm._network.sharding import Team
from sklstm._sequences import read_sequences
from sklstm._training.loop import Data, End, Progress, Settings, train
from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS
from sklstm._training.stopping import Patience


class BaseLSTM(BaseEstimator, metaclass=ABCMeta):
    """LSTM layers under a dense head, fitted by gradients through time."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "forget_bias": [Interval(Real, None, None, closed="neither"), StrOptions({"chrono"})],
        "pooling": [StrOptions({"last", "mean"})],
        "n_timesteps": [Interval(Integral, 1, None, closed="left"), None],
        "solver": [StrOptions(set(OPTIMIZERS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    }

    @abstractmethod
    def _check_y(self, y):
        """Validate y; returns targets as float64, of shape (n_samples, n_outputs)."""

    @abstractmethod
    def _target_scale(self, y, sample_weight):
        """What was subtracted from, and what divides, each output's targets in training."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the net to sequences X and targets y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features)
            The sequences. float32 is trained in float32, everything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; an integer weight counts as so many repeated rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If X, y or sample_weight cannot be used. The estimator is left as it was.
        """
        # All is done on a copy, so that a call that fails changes nothing.
        trial = copy(self)
        trial._fit(X, y, sample_weight)
        vars(self).clear()
        vars(self).update(vars(trial))
        return self

    def _fit(self, X, y, sample_weight):
        sequences = read_sequences(self, X, reset=True)
        y = self._check_y(y)
        check_consistent_length(sequences.records, y)
        sample_weight = self._check_weight(sample_weight, sequences)
        shape = (
            sequences.n_features, self._units(), bool(self.bidirectional), self.pooling, y.shape[1]
        )  # fmt: skip
        random_state = check_random_state(self.random_state)
        optimizer = OPTIMIZERS[self.solver](self.beta_1, self.beta_2, self.epsilon)
        if self.warm_start and hasattr(self, "_weights"):
            progress = self._resume(shape, sequences.dtype)
        else:
            progress = self._begin(shape, sequences, y, sample_weight, optimizer, random_state)
        targets = (y - self._target_mean) / self._target_deviation
        data = Data(sequences, targets.astype(sequences.dtype), sample_weight)
        self.n_timesteps_ = sequences.longest if sequences.equal_lengths else None
        self.n_outputs_ = y.shape[1]
        self.n_layers_ = len(shape[1]) + 2
        patience = Patience(self.tol, self.n_iter_no_change)

        def on_epoch():
            self.t_ += len(y)
            if self.verbose:
                print(f"Iteration {len(progress.losses)}, loss = {progress.losses[-1]:.8f}")

        end = train(
            Architecture(*shape), data, self._settings(optimizer), progress, patience, random_state,
            on_epoch,
        )  # fmt: skip
        self._record(progress, patience)
        self._report(end)

    def _settings(self, optimizer):
        return Settings(
            loss=self._loss(),
            optimizer=optimizer,
            learning_rate_init=self.learning_rate_init,
            alpha=self.alpha,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            shuffle=self.shuffle,
            max_grad_norm=self.max_grad_norm,
        )

    def _loss(self):
        return LOSSES[self.loss]()

    def _units(self):
        """hidden_layer_sizes as a tuple."""
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not sizes or not all(isinstance(u, Integral) and u >= 1 for u in sizes):
            raise ValueError(
                f"hidden_layer_sizes must be integers of at least 1, one a layer, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return tuple(int(u) for u in sizes)

    def _check_weight(self, sample_weight, sequences):
        sample_weight = _check_sample_weight(
            sample_weight, sequences.records, dtype=sequences.dtype, ensure_non_negative=True
        )
        if not sample_weight.any():
            raise ValueError("sample_weight must have a positive entry, got zeros alone.")
        return sample_weight

    def _begin(self, shape, sequences, y, sample_weight, optimizer, random_state):
        """A new net, and an empty history."""
        self._shape, self.t_, self.best_loss_ = shape, 0, np.inf
        self._target_mean, self._target_deviation = self._target_scale(y, sample_weight)
        weights = initial_weights(
            Architecture(*shape), sequences.dtype, self.forget_bias, sequences.longest, random_state
        )
        return Progress(weights, optimizer.init(weights), 0, [])

    def _resume(self, shape, dtype):
        """The net as the previous fit left it."""
        if shape != self._shape:
            names = "n_features", "hidden_layer_sizes", "bidirectional", "pooling", "n_outputs"
            changed = ", ".join(
                f"{name}={new!r} (was {old!r})"
                for name, new, old in zip(names, shape, self._shape, strict=True)
                if new != old
            )
            raise ValueError(f"warm_start=True continues the fitted net, but got {changed}.")
        memory = {name: array.astype(dtype) for name, array in self._memory.items()}
        return Progress(
            self._scaled_weights.astype(dtype), memory, self._steps, list(self.loss_curve_)
        )

    def _record(self, progress, patience):
        """Keep what training came to."""
        self._scaled_weights, self._memory = progress.weights, progress.memory
        self._steps = progress.steps
        self._weights = progress.weights.copy()
        views = self._views()
        views["output_weights"] *= self._target_deviation[:, np.newaxis]
        views["output_bias"] *= self._target_deviation
        views["output_bias"] += self._target_mean
        self.loss_curve_ = progress.losses
        self.loss_ = progress.losses[-1] if progress.losses else np.inf
        self.best_loss_ = min(self.best_loss_, patience.best)
        self.n_iter_ = len(progress.losses)

    def _report(self, end):
        """Say why training ended, where that is news."""
        if end is End.PATIENCE and self.verbose:
            print(
                f"Training loss did not improve more than tol={self.tol:f} for "
                f"{self.n_iter_no_change} consecutive epochs. Stopping."
            )
        if end is End.MAX_ITER:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=5,
            )
        if end is End.DIVERGED:
            warnings.warn(
                f"The loss became infinite or NaN in epoch {self.n_iter_ + 1}; the weights of the "
                "epoch before are kept. Scale X, or lower learning_rate_init or max_grad_norm.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _raw_output(self, X):
        """The head's output for each sequence, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        sequences = read_sequences(self, X, reset=False)
        n_features, n_timesteps = self._shape[0], self.n_timesteps_
        if sequences.n_features != n_features or (
            n_timesteps is not None
            and not (sequences.equal_lengths and sequences.longest == n_timesteps)
        ):
            raise ValueError(
                f"X has {sequences.longest} timesteps of {sequences.n_features} features, but "
                f"{type(self).__name__} is expecting {n_timesteps} timesteps of {n_features} "
                "features as input."
            )
        # Weights from a read-only memory map would have kernels compiled anew for them.
        weights = np.require(self._weights, sequences.dtype, ["C", "W"])
        with Team(Architecture(*self._shape), sequences, len(sequences), training=False) as team:
            return team.predict(weights, np.arange(len(sequences)))

    def _views(self):
        return named_views(Architecture(*self._shape), self._weights)

    @property
    def input_weights_(self):
        """Input weights (4 units, inputs) of each layer and direction: gates i, f, g, o."""
        return self._views()["input_weights"]

    @property
    def recurrent_weights_(self):
        """Recurrent weights (4 units, units) of each layer and direction: gates i, f, g, o."""
        return self._views()["recurrent_weights"]

    @property
    def biases_(self):
        """Biases (4 units,) of each layer and direction: gates i, f, g, o."""
        return self._views()["biases"]

    @property
    def output_weights_(self):
        """Weights (outputs, head inputs) of the dense head, in the units of y."""
        return self._views()["output_weights"]

    @property
    def output_bias_(self):
        """Biases (outputs,) of the dense head, in the units of y."""
        return self._views()["output_bias"]
