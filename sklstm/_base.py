"""What the regressor and the classifier share: parameters, fit, fitted attributes."""

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from numbers import Integral, Real
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from sklstm._callbacks import CallbackSupportMixin, FitCallbacks
from sklstm._fitted_state import check_state
from sklstm._forms import Expected
from sklstm._frames import warn_of_unlike_columns
from sklstm._kernels.pooling import POOLINGS
from sklstm._messages import speaking_of
from sklstm._network.parameters import (
    Architecture,
    architecture_of,
    fold_scaling,
    initial_weights,
    named_views,
)
from sklstm._network.rounds import Predictor
from sklstm._numbers import refuse_non_numeric
from sklstm._reporting import Reporter, compilation_told
from sklstm._scaling import FeatureMoments, no_scaling
from sklstm._sequences import check_agreement, check_numbers, read_sequences, read_shape
from sklstm._training.schedules import SCHEDULES
from sklstm._training.solvers import SOLVERS
from sklstm._training.state import Data, End, Hooks, Progress, Settings
from sklstm._training.train import train
from sklstm._typing import Floats, SequencesLike

# A byte more could not be addressed: weights and their like are kept several times.
_MOST_WEIGHTS = np.iinfo(np.intp).max // 64


def can_partial_fit(estimator):
    """Whether the solver takes minibatches; what is no solver is refused later, in a sentence."""
    solver = SOLVERS.get(str(estimator.solver))
    return solver is None or solver.takes_minibatches


class BaseLSTM(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """LSTM layers under a dense head, fitted by gradients through time."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "forget_bias": [Interval(Real, None, None, closed="neither"), StrOptions({"chrono"})],
        "pooling": [StrOptions(set(POOLINGS))],
        "n_timesteps": [Interval(Integral, 1, None, closed="left"), None],
        "normalize_X": ["boolean"],
        "solver": [StrOptions(set(SOLVERS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
    }

    # The parameters that all estimators have.
    hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]]
    bidirectional: bool
    forget_bias: float | str
    pooling: str
    n_timesteps: int | None
    normalize_X: bool
    solver: str
    alpha: float
    batch_size: int
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: int | np.random.RandomState | None
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: float
    recurrent_dropout: float
    max_grad_norm: float | None

    # What is fitted.
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    n_timesteps_: int | None
    n_outputs_: int
    n_layers_: int
    n_iter_: int
    t_: int
    loss_: float
    best_loss_: float
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    # (features of a time step, units, bidirectional, pooling, outputs) of the fitted net.
    _shape: tuple

    def _store(self, arguments):
        """Keep the arguments of `__init__`, as `locals()` names them."""
        for name, value in arguments.items():
            if name != "self":
                setattr(self, name, value)

    @abstractmethod
    def fit(
        self,
        X: SequencesLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: SequencesLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the net to sequences X and targets y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
                list of array-like of shape (n_timesteps_i, n_features)
            The sequences; NaN rows at the end of a 3-D array are padding. float32 is trained in
            float32, everything else in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets; of a classifier (n_samples,) labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. An integer weight counts as so many repeated rows: exactly if
            all rows make one minibatch, else in expectation.
        X_val, y_val : array-like or list of array-like, default=None
            Sequences and targets to validate on, of the form of X and y. Given them, training
            stops early as with `early_stopping`, and holds nothing out of X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If the data cannot be used. The estimator is left as it was.
        """

    @abstractmethod
    def _check_y(self, y, name):
        """Validate y or y_val; returns targets as float64, of shape (n_samples, n_outputs)."""

    def _check_fitted_loss(self, how):
        """Refuse a loss whose targets are not those of the fitted net."""

    def _learn_labels(self, y, resume, incremental, classes):
        """Set what `_check_y` has to know of all targets."""

    def _total_weight(self, y, sample_weight):
        """Sample weights with all that belongs to them."""
        return sample_weight

    def _strata(self, y):
        """What a random validation set is stratified by."""

    @abstractmethod
    def _loss(self):
        """The `Loss` that is minimised."""

    @abstractmethod
    def _target_scale(self, y, sample_weight):
        """What is subtracted from, and what divides, each output's targets in training."""

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _fit(self, X, y, sample_weight, X_val=None, y_val=None, *, incremental=False, classes=None):
        # Numbers that overflow are looked for, and found whatever a user told `np.seterr`.
        with compilation_told(self.verbose), np.errstate(all="ignore"):
            return self._fit_aloud(X, y, sample_weight, X_val, y_val, incremental, classes)

    def _fit_aloud(self, X, y, sample_weight, X_val, y_val, incremental, classes):
        # All is done on a copy, so that a call that fails changes nothing.
        trial = copy(self)
        random_state = check_random_state(self.random_state)
        unused = random_state.get_state()
        try:
            fit = trial._prepare(
                X, y, sample_weight, X_val, y_val, incremental, classes, random_state
            )
        except BaseException:
            random_state.set_state(unused)
            raise
        callbacks = FitCallbacks(
            self, fit.settings.max_iter, lambda: trial._record(fit.progress.copy()), X, y,
            sample_weight,
        )  # fmt: skip

        reporter = Reporter(self.verbose, fit.settings, fit.progress, fit.validation is not None)

        def end_epoch():
            reporter.epoch()
            return callbacks.end_epoch()

        hooks = Hooks(callbacks.begin_epoch, end_epoch, reporter.plateau)
        end = train(**vars(fit), hooks=hooks)
        fitted = trial._record(fit.progress)
        self.__dict__.update(fitted)
        if "feature_names_in_" not in fitted:
            self.__dict__.pop("feature_names_in_", None)
        callbacks.end_fit()
        if not (incremental and end is End.MAX_ITER):
            reporter.end(end)
        return self

    def _prepare(self, X, y, sample_weight, X_val, y_val, incremental, classes, random_state):
        """Validate everything, and set what does not change in training; what `train` takes."""
        resume = (incremental or self.warm_start) and hasattr(self, "_weights")
        known = self._shape if resume else None
        if resume and incremental:
            expected, seen = self._expected(list_dtype=self._weights.dtype), self._seen()
        else:
            expected, seen = Expected(self, self.n_timesteps), None
        form = read_shape(X, expected)
        if resume:
            sequences = check_numbers(form, expected, self._scaling)
        if seen is not None:
            check_agreement(form, expected, *seen)
        if expected.in_fit:
            self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(form.columns)
        _refuse_one_target(form, y)
        self._learn_labels(y, resume, incremental, classes)
        y = self._check_targets(y, form)
        shape = (
            form.n_features, self._units(), bool(self.bidirectional), self.pooling, y.shape[1]
        )  # fmt: skip
        if known is not None:
            how = "partial_fit" if incremental else "warm_start=True"
            _refuse_change(known, shape, how)
            self._check_fitted_loss(how)
        self._shape, self.n_outputs_, self.n_layers_ = shape, y.shape[1], len(shape[1]) + 2
        settings = self._settings(1 if incremental else self.max_iter)
        # Streams of their own: what one draws does not change another, and a fit that goes on holds
        # out the same rows, but neither shuffles nor drops units as before.
        seeds = random_state.randint(2**31 - 1, size=3)
        refuse_non_numeric(sample_weight, "sample_weight")
        sample_weight = _check_sample_weight(
            sample_weight, form, dtype=form.dtype, ensure_non_negative=True
        )
        sample_weight = self._total_weight(y, sample_weight)
        rows, held_out = np.arange(len(y)), None
        if self.early_stopping and X_val is None:
            rows, held_out = self._hold_out(y, np.random.RandomState(seeds[1]))
            _check_total_weight(sample_weight[held_out])
        _check_total_weight(sample_weight[rows])
        if not resume:
            sequences = self._scale_inputs(form, expected, sample_weight, rows)
        if form.from_2d and self.n_timesteps is None and not resume:
            warn_of_unlike_columns(X, form.source[:, :, 0])
        if not (resume and incremental):
            full = np.all(sequences.records["length"] == form.n_timesteps)
            self.n_timesteps_ = form.n_timesteps if full else None
        begin = self._resume if resume else self._begin
        progress = begin(settings, sequences, np.random.RandomState(seeds[0]))
        bit_generator = _bit_generator([seeds[2], progress.steps])
        if not resume:
            self._set_targets(y[rows], sample_weight[rows], settings.loss, progress.weights)
        data = self._data(sequences, y, sample_weight, rows)
        validation = None if held_out is None else replace(data, rows=held_out)
        if X_val is not None or y_val is not None:
            validation = self._given_validation(X_val, y_val, sequences.dtype)
        return SimpleNamespace(
            architecture=Architecture(*shape), data=data, validation=validation,
            settings=settings, progress=progress, bit_generator=bit_generator,
        )  # fmt: skip

    def _scale_inputs(self, form, expected, sample_weight, rows):
        """Check the numbers of X, and fix how features are scaled, both in one pass."""
        moments = None
        if self.normalize_X:
            trained = np.zeros_like(sample_weight)
            trained[rows] = sample_weight[rows]
            moments = FeatureMoments(form.n_features, trained)
        sequences = check_numbers(form, expected, moments=moments)
        if moments is None:
            self._scaling = no_scaling(form.n_features)
        else:
            self._scaling = moments.scaling(sequences.records, sequences.dtype)
        return replace(sequences, scaling=self._scaling)

    def _settings(self, max_iter):
        return Settings(
            self._loss(), SOLVERS[self.solver].of(self), self.alpha, max_iter, self.tol,
            self.n_iter_no_change, self.dropout, self.recurrent_dropout, self.max_grad_norm,
        )  # fmt: skip

    def _units(self):
        """hidden_layer_sizes as a tuple."""
        sizes = np.asarray(self.hidden_layer_sizes, dtype=object)
        wrong = [u for u in sizes.flat if not (isinstance(u, Integral) and int(u) >= 1)]
        if sizes.ndim > 1 or sizes.size == 0 or wrong:
            raise ValueError(
                f"hidden_layer_sizes must be integers of at least 1, one a layer, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return tuple(int(u) for u in sizes.flat)

    def _check_targets(self, y, sequences, name="y"):
        y = self._check_y(y, name)
        check_consistent_length(sequences, y)
        self._loss().check(y)
        return y

    def _hold_out(self, y, random_state):
        """Rows to train on, and rows to validate on."""
        # Imported here, since it takes as long as all of sklstm.
        from sklearn.model_selection import train_test_split

        n_held_out = int(np.ceil(self.validation_fraction * len(y)))
        strata = self._strata(y) if self.shuffle else None
        n_strata = 1 if strata is None else len(np.unique(strata))
        if not max(2, n_strata) <= n_held_out <= len(y) - n_strata:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {len(y)} samples leaves "
                f"{n_held_out} to validate on and {len(y) - n_held_out} to train on: at least "
                f"{max(2, n_strata)} and {n_strata} are needed."
            )
        return train_test_split(
            np.arange(len(y)),
            test_size=n_held_out,
            random_state=random_state if self.shuffle else None,
            shuffle=self.shuffle,
            stratify=strata,
        )

    def _data(self, sequences, y, sample_weight, rows):
        targets = (y - self._target_mean) / self._target_deviation
        _check_size(y, targets, sequences.dtype)
        return Data(sequences, targets.astype(sequences.dtype), sample_weight, rows)

    def _given_validation(self, X_val, y_val, dtype):
        """The validation data that was passed to fit."""
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"X_val and y_val go together, got no {missing}.")
        with speaking_of("X_val"):
            sequences = read_sequences(
                X_val, self._expected(dtype=dtype), self._seen(), self._scaling
            )
            if len(sequences) < 2:
                raise ValueError(f"X has {len(sequences)} sample: at least 2 are needed.")
        with speaking_of("y_val"):
            y = self._check_targets(y_val, sequences, "y_val")
            if y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"y_val has {y.shape[1]} outputs, but those of training are {self.n_outputs_}."
                )
            weight = np.ones(len(y), sequences.dtype)
            return self._data(sequences, y, weight, np.arange(len(y)))

    def _begin(self, settings, sequences, random_state):
        """A new net, and an empty history."""
        architecture = Architecture(*self._shape)
        try:
            if architecture.n_weights > _MOST_WEIGHTS:
                raise MemoryError
            weights = initial_weights(
                architecture, sequences.dtype, self.forget_bias, sequences.longest, random_state
            )
        except MemoryError as error:
            raise MemoryError(
                f"hidden_layer_sizes={self.hidden_layer_sizes} makes a net of at least "
                f"{min(architecture.n_weights, _MOST_WEIGHTS):.2g} weights, which do not fit into "
                "memory: take fewer units."
            ) from error
        return Progress(weights, settings.solver.init(weights))

    def _set_targets(self, y, sample_weight, loss, weights):
        """Fix the scale of the targets, and start the output at the loss's baseline."""
        _check_size(y, y, weights.dtype)
        self._target_mean, self._target_deviation = self._target_scale(y, sample_weight)
        _check_size(y, self._target_deviation, weights.dtype)
        scaled = (y - self._target_mean) / self._target_deviation
        views = named_views(Architecture(*self._shape), weights)
        views["output_bias"][:] = loss.baseline(scaled, sample_weight)

    def _resume(self, settings, sequences, random_state):
        """The net and the history as the previous fit left them."""
        weights = self._scaled_weights.astype(sequences.dtype)
        memory = settings.solver.init(weights)
        for name in memory.keys() & self._memory.keys():
            memory[name][:] = self._memory[name]
        steps = self._steps if memory.keys() == self._memory.keys() else 0
        return Progress(
            weights, memory, steps, self.t_, list(self._history), self.best_loss_
        )  # fmt: skip

    def _record(self, progress):
        """Set the fitted attributes as training stands; all attributes, as a dict."""
        self._scaled_weights, self._memory = progress.weights, progress.memory
        self._steps, self.t_ = progress.steps, progress.samples
        self._weights = progress.weights.copy()
        views = named_views(Architecture(*self._shape), self._weights)
        views["output_weights"] *= self._target_deviation[:, np.newaxis]
        views["output_bias"] *= self._target_deviation
        views["output_bias"] += self._target_mean
        self._history, self.n_iter_ = list(progress.history), len(progress.history)
        self.loss_curve_, self.validation_scores_ = progress.losses, progress.scores or None
        self.loss_ = progress.losses[-1] if progress.history else np.inf
        self.best_loss_, self.best_validation_score_ = progress.best_loss, progress.best_score
        return dict(vars(self))

    def _expected(self, **expected):
        """What X has to be after a fit."""
        n_columns = self.n_timesteps_ and self.n_timesteps_ * self._shape[0]
        # Else n_features_in_ counts the features of a time step.
        on_2d = n_columns == self.n_features_in_
        return Expected(self, self.n_timesteps, in_fit=False, same_columns=on_2d, **expected)

    def _seen(self):
        """The timesteps and features that X has to have after a fit."""
        return self.n_timesteps_, self._shape[0]

    def __setstate__(self, state):
        super().__setstate__(state)
        if {"_shape", "_weights"} & state.keys():
            check_state(vars(self))

    def _as_it_stands(self):
        """A copy to predict with: another thread may fit this estimator meanwhile."""
        standing = object.__new__(type(self))
        # In one step, to all other threads.
        standing.__dict__.update(self.__dict__)
        return standing

    def _output(self, X, transform):
        """What `transform(net, raw)` makes of the output, whatever a user told `np.seterr`."""
        net = self._as_it_stands()
        with np.errstate(all="ignore"):
            return transform(net, net._raw_output(X))

    def _raw_output(self, X):
        """The head's output for each sequence, of shape (n_samples, n_outputs)."""
        if not hasattr(self, "_weights"):
            # It inspects the estimator, which takes as long as the net does for a row.
            check_is_fitted(self)
        weights = self._weights
        expected = self._expected(list_dtype=weights.dtype)
        sequences = read_sequences(X, expected, self._seen(), self._scaling)
        if weights.dtype != sequences.dtype or not weights.flags.writeable:
            # Weights from a read-only memory map would have kernels compiled anew for them.
            weights = weights.astype(sequences.dtype)
        with Predictor(architecture_of(self._shape), sequences, len(sequences)) as team:
            return team.predict(weights, np.arange(len(sequences)), last=True)

    def _views(self):
        if not hasattr(self, "_weights"):
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        architecture = Architecture(*self._shape)
        with np.errstate(all="ignore"):
            weights = fold_scaling(architecture, self._weights, self._scaling)
        weights.flags.writeable = False
        return named_views(architecture, weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def input_weights_(self) -> list[Floats]:
        """Input weights (4 units, inputs) of each layer and direction: gates i, f, g, o."""
        return self._views()["input_weights"]

    @property
    def recurrent_weights_(self) -> list[Floats]:
        """Recurrent weights (4 units, units) of each layer and direction: gates i, f, g, o."""
        return self._views()["recurrent_weights"]

    @property
    def biases_(self) -> list[Floats]:
        """Biases (4 units,) of each layer and direction: gates i, f, g, o."""
        return self._views()["biases"]

    @property
    def output_weights_(self) -> Floats:
        """Weights (outputs, head inputs) of the dense head, in the units of y."""
        return self._views()["output_weights"]

    @property
    def output_bias_(self) -> Floats:
        """Biases (outputs,) of the dense head, in the units of y."""
        return self._views()["output_bias"]


def _check_size(y, numbers, dtype):
    """Refuse targets that, or whose scale, the type of the weights cannot hold."""
    if not (np.abs(numbers) < np.finfo(dtype).max).all():
        raise ValueError(f"y has entries too large for {dtype}: up to {np.abs(y).max():g}.")


def _refuse_one_target(sequences, y):
    """Refuse a single target of many rows: these may be meant to be the steps of one sequence."""
    is_one = len(y) == 1 if isinstance(y, list | tuple) else getattr(y, "shape", None) == (1,)
    if is_one and sequences.from_2d and len(sequences) > 1:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{len(sequences)}, 1]. "
            f"If X is one sequence of {len(sequences)} time steps, pass X[np.newaxis]."
        )


def _bit_generator(seed):
    """The stream of RandomState(seed), which a Generator can draw from too."""
    bit_generator = np.random.MT19937(0)
    np.random.RandomState(bit_generator).seed(seed)
    return bit_generator


def _check_total_weight(sample_weight):
    """Refuse weights that cannot be divided by their sum."""
    total = sample_weight.sum()
    if not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight must have a positive, finite sum over the rows of training, and of "
            f"validation, got {total}."
        )


def _refuse_change(known, shape, how):
    """Refuse to continue a net of one shape as one of another."""
    names = "n_features", "hidden_layer_sizes", "bidirectional", "pooling", "n_outputs"
    changed = ", ".join(
        f"{name}={new!r} (was {old!r})"
        for name, old, new in zip(names, known, shape, strict=True)
        if new != old
    )
    if changed:
        raise ValueError(f"{how} continues the fitted net, but got {changed}.")
