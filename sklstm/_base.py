"""What the regressor and the classifier share: parameters, fit, fitted attributes."""

import copy
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Never, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklstm._callbacks import CallbackSupportMixin, FitCallbacks
from sklstm._checkpoints import Checkpoints
from sklstm._fit import Given, prepare_fit
from sklstm._fitted_state import check_state, expected_after_fit, fitted_state, seen_in_fit
from sklstm._forms import kind_of
from sklstm._kernels.pooling import POOLINGS
from sklstm._network import kept
from sklstm._network.parameters import architecture_of, fold_scaling, named_views
from sklstm._older_files import as_of_today
from sklstm._reporting import Reporter, compilation_told
from sklstm._sequences import read_sequences
from sklstm._steps import as_sequences, labelled_steps, steps_in_a_row, weights_of_steps
from sklstm._targets import Targets
from sklstm._training.history import History
from sklstm._training.schedules import SCHEDULES
from sklstm._training.solvers import SOLVERS
from sklstm._training.state import End, Hooks
from sklstm._training.train import train
from sklstm._typing import Floats, SequencesLike


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
        "pooling": [StrOptions(set(POOLINGS) - {None}), None],
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
        "bptt_steps": [Interval(Integral, 1, None, closed="left"), None],
    }

    # The parameters that all estimators have.
    hidden_layer_sizes: int | Sequence[int] | NDArray[np.integer[Any]]
    bidirectional: bool
    forget_bias: float | str
    pooling: str | None
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
    bptt_steps: int | None

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
    best_validation_score_: float | None
    _history: History
    # The fields of the fitted net's architecture.
    _shape: tuple

    # What y is to the net.
    _targets: type[Targets]

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
            The targets; of a classifier (n_samples,) labels. With pooling=None one for each step,
            in the form of X: (n_samples, n_timesteps), (n_samples, n_timesteps, n_outputs), or a
            list of arrays (timesteps_i,) or (timesteps_i, n_outputs). Where it is NaN or None, a
            step has no label; labels of padding are not read.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. An integer weight counts as so many repeated rows: exactly if
            all rows make one minibatch, else in expectation. With pooling=None they may also be
            given for each step, in the form of y.
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

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        return self._fit(Given(X, y, sample_weight, classes=classes, incremental=True))

    def _fit(self, given):
        # Numbers that overflow are looked for, and found whatever a user told `np.seterr`.
        with compilation_told(self.verbose), np.errstate(all="ignore"):
            random_state = check_random_state(self.random_state)
            # Of a copy: a call that is refused draws nothing, as it changes nothing else. A state
            # that was made of a number is known to nobody else.
            is_new = isinstance(self.random_state, Integral)
            seeds = _seeds(random_state if is_new else copy.deepcopy(random_state))
            checkpoints = Checkpoints(self, given, seeds)
            fit = checkpoints.gone_on(prepare_fit(self, given, checkpoints.seeds))
            _seeds(random_state)
            self._train(fit, given, checkpoints)
        return self

    def _train(self, fit, given, checkpoints):
        callbacks = FitCallbacks(
            self, fit.settings.max_iter - fit.course.epochs,
            lambda: fitted_state(fit.known, fit.progress.copy()),
            given.X, given.y, given.sample_weight,
        )  # fmt: skip
        reporter = Reporter(self.verbose, fit.settings, fit.progress, fit.validation is not None)

        def end_epoch():
            reporter.epoch()
            return callbacks.end_epoch()

        end = train(
            architecture=fit.architecture, data=fit.data, validation=fit.validation,
            settings=fit.settings, progress=fit.progress, course=fit.course,
            bit_generator=fit.bit_generator,
            hooks=Hooks(
                callbacks.begin_epoch, end_epoch, reporter.plateau, lambda: checkpoints.keep(fit)
            ),
        )  # fmt: skip
        # In one step, to threads that predict meanwhile.
        self.__dict__.update(fitted_state(fit.known, fit.progress))
        if "feature_names_in_" not in fit.columns:
            self.__dict__.pop("feature_names_in_", None)
        # Of a file that it was loaded from.
        self.__dict__.pop("_standing", None)
        if not (given.incremental or end is End.INTERRUPTED):
            checkpoints.keep_end(fit)
        callbacks.end_fit()
        if not (given.incremental and end is End.MAX_ITER):
            reporter.end(end)

    def __copy__(self):
        # Of files there would be a list of all epochs.
        return self._as_it_stands()

    def __getstate__(self):
        state = super().__getstate__()
        if "_history" in state:
            # Files are of plain values, which any later version can read.
            state = {**state, "_history": list(state["_history"])}
        return state

    def __setstate__(self, state):
        super().__setstate__(as_of_today(state))
        if {"_shape", "_weights"} & state.keys():
            check_state(vars(self), self._targets.check_fitted)

    def _as_it_stands(self):
        """A copy to predict with: another thread may fit this estimator meanwhile."""
        standing = object.__new__(type(self))
        # In one step, to all other threads.
        standing.__dict__ = self.__dict__.copy()
        return standing

    def _output(self, X, method):
        """What a method answers, by its `_method_from(raw)`, whatever a user told `np.seterr`."""
        net = self._as_it_stands()
        answer = getattr(net, f"_{method}_from")
        kind, array = kind_of(X, net) if "_weights" in vars(net) else (None, None)
        raw = None if kind is None else kept.predict_again(net._weights, kind, array)
        if raw is not None:
            return answer(raw)
        with np.errstate(all="ignore"):
            raw, sequences = net._raw_output(X, kind)
        answers = answer(raw)
        if not architecture_of(net._shape).reads_each_step:
            return answers
        if isinstance(answers, tuple):
            return tuple(as_sequences(each, sequences) for each in answers)
        return as_sequences(answers, sequences)

    def _score(self, X, y, sample_weight, metric):
        """A metric, for which each labelled step is a sample if there are answers for each."""
        net = self._as_it_stands()
        check_is_fitted(net)
        if not architecture_of(net._shape).reads_each_step:
            return float(metric(y, net.predict(X), sample_weight=sample_weight))
        with np.errstate(all="ignore"):
            raw, sequences = net._raw_output(X)
            predicted = net._predict_from(raw)
        labels, labelled = labelled_steps(steps_in_a_row(y, sequences))
        if sample_weight is not None:
            sample_weight = weights_of_steps(sample_weight, sequences, np.float64)[labelled]
        return float(metric(labels, predicted[labelled], sample_weight=sample_weight))

    def _raw_output(self, X, kind=None):
        """The head's outputs (n_samples, n_outputs), or of all steps, and the sequences of X."""
        if not hasattr(self, "_weights"):
            # It inspects the estimator, which takes as long as the net does for a row.
            check_is_fitted(self)
        weights = self._weights
        expected = expected_after_fit(self, list_dtype=weights.dtype)
        sequences = read_sequences(X, expected, seen_in_fit(self), self._scaling)
        return kept.predict(architecture_of(self._shape), weights, sequences, kind), sequences

    def _fitted(self, name):
        if not hasattr(self, "_weights"):
            raise AttributeError(f"This {type(self).__name__} instance is not fitted yet.")
        return getattr(self, name)

    @property
    def loss_curve_(self) -> list[float]:
        """The mean objective of each epoch."""
        return self._fitted("_history").losses

    @property
    def validation_scores_(self) -> list[float] | None:
        """The validation score after each epoch that was validated; None if there are none."""
        return self._fitted("_history").scores or None

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """The mean loss of the validation rows after these epochs; None if there are none."""
        return self._fitted("_history").validation_losses or None

    def _views(self):
        weights = self._fitted("_weights")
        architecture = architecture_of(self._shape)
        with np.errstate(all="ignore"):
            weights = fold_scaling(architecture, weights, self._scaling)
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

    @input_weights_.setter
    def input_weights_(self, weights: Never) -> None:
        _refuse_to_set("input_weights_")

    @property
    def recurrent_weights_(self) -> list[Floats]:
        """Recurrent weights (4 units, units) of each layer and direction: gates i, f, g, o."""
        return self._views()["recurrent_weights"]

    @recurrent_weights_.setter
    def recurrent_weights_(self, weights: Never) -> None:
        _refuse_to_set("recurrent_weights_")

    @property
    def biases_(self) -> list[Floats]:
        """Biases (4 units,) of each layer and direction: gates i, f, g, o."""
        return self._views()["biases"]

    @biases_.setter
    def biases_(self, weights: Never) -> None:
        _refuse_to_set("biases_")

    @property
    def output_weights_(self) -> Floats:
        """Weights (outputs, head inputs) of the dense head, in the units of y."""
        return self._views()["output_weights"]

    @output_weights_.setter
    def output_weights_(self, weights: Never) -> None:
        _refuse_to_set("output_weights_")

    @property
    def output_bias_(self) -> Floats:
        """Biases (outputs,) of the dense head, in the units of y."""
        return self._views()["output_bias"]

    @output_bias_.setter
    def output_bias_(self, weights: Never) -> None:
        _refuse_to_set("output_bias_")


def _refuse_to_set(name):
    raise AttributeError(
        f"{name} cannot be set: sklstm.interop.from_torch and from_keras make an estimator of "
        "given weights."
    )


def _seeds(random_state):
    """What a fit draws from the estimator's random state."""
    return random_state.randint(2**31 - 1, size=3)
