"""What y is to a net: how it is checked and encoded, what it weighs, its loss and its scale."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, unique_labels
from sklearn.utils.validation import check_array, check_consistent_length

from sklstm._numbers import refuse_hidden, refuse_non_numeric
from sklstm._scaling import mean_and_deviation
from sklstm._training.losses import (
    LOSSES,
    BinaryLogLoss,
    Loss,
    MultinomialLogLoss,
    read_quantile,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Targets(ABC):
    """What a fit has to know of y; nothing else looks into what `encode` makes of it.

    Parameters
    ----------
    owner : str
        The class whom errors name.
    loss : Loss
        What is minimised.
    mean, deviation : ndarray of shape (n_outputs,) or None
        What is subtracted from the targets of each output, and what divides them then, in
        training. None until `with_scale`, unless a fitted net is continued.
    """

    owner: str
    loss: Loss
    mean: Any = None
    deviation: Any = None

    @classmethod
    @abstractmethod
    def of(cls, estimator, given, continued_by):
        """The targets of an estimator's fit.

        `given` is what the fit was given; `continued_by` is "warm_start=True" or "partial_fit", as
        errors say it, or None for a new net.
        """

    def encode(self, y, sequences, name="y"):
        """Validate y, or y_val; returns an array with a row for each of the sequences."""
        refuse_none(y, self.owner)
        y = self._encode(y, name)
        check_consistent_length(sequences, y)
        self.loss.check(y)
        return y

    def encode_steps(self, y, labelled, name="y"):
        """As `encode`, given the labels of those steps that have one; zeros for the others."""
        encoded = self.encode(y, y, name)
        if labelled.all():
            return encoded
        of_steps = np.zeros((len(labelled), encoded.shape[1]), encoded.dtype)
        of_steps[labelled] = encoded
        return of_steps

    @abstractmethod
    def _encode(self, y, name):
        """y as float64 of shape (n_samples, n_outputs)."""

    def n_outputs(self, y):
        """How many raw outputs of the net these are."""
        return y.shape[1] * len(self.loss.settings)

    def weigh(self, y, sample_weight):
        """Sample weights with all that belongs to them."""
        return sample_weight

    def strata(self, y):
        """What a random validation set is stratified by; None: nothing."""
        return

    def with_scale(self, y, sample_weight, dtype):
        """The same, with the mean and deviation of these rows."""
        _check_size(y, y, dtype)
        mean, deviation = self._scale_of(y, sample_weight)
        _check_size(y, deviation, dtype)
        return replace(self, mean=mean, deviation=deviation)

    def _scale_of(self, y, sample_weight):
        return np.zeros(y.shape[1]), np.ones(y.shape[1])

    def baseline(self, y, sample_weight):
        """The raw outputs that training starts from."""
        return self.loss.baseline(self._scaled(y), sample_weight)

    def scaled(self, y, dtype):
        """What the loss compares raw outputs with."""
        targets = self._scaled(y)
        _check_size(y, targets, dtype)
        return targets.astype(dtype)

    def _scaled(self, y):
        if not self.mean.any() and (self.deviation == 1).all():
            return y
        scaled = y - self.mean
        scaled /= self.deviation
        return scaled

    def undo_scale(self, views):
        """Let the head of a net, given by its named views, answer in the units of y."""
        factor, shift = self.loss.unscaled(self.mean, self.deviation)
        views["output_weights"] *= factor[:, np.newaxis]
        views["output_bias"] *= factor
        views["output_bias"] += shift

    @staticmethod
    @abstractmethod
    def check_fitted(state, n_raw):
        """Raise ValueError for attributes that no fit leaves on an estimator of so many outputs."""

    def fitted(self):
        """The attributes that a fit leaves on the estimator."""
        return {"_target_mean": self.mean, "_target_deviation": self.deviation}


@dataclass(frozen=True, eq=False, kw_only=True)
class NumberTargets(Targets):
    """Numbers, standardised in training if the loss allows it.

    Parameters
    ----------
    fitted_loss : str
        The name of the loss, which decides what the outputs of the net mean.
    quantile : float or tuple of float
        Those of loss="quantile".
    normalize : bool
    """

    fitted_loss: str
    quantile: float | tuple
    normalize: bool

    @classmethod
    def of(cls, estimator, given, continued_by):
        """Of a regressor; refuses to continue with a loss whose targets are of another kind."""
        quantile, owner = read_quantile(estimator.quantile), type(estimator).__name__
        loss = LOSSES[estimator.loss](_WithQuantile(estimator, quantile))
        normalize = estimator.normalize_y and loss.equivariant
        targets = cls(
            owner=owner, loss=loss, fitted_loss=estimator.loss, quantile=quantile,
            normalize=normalize,
        )  # fmt: skip
        if continued_by is None:
            return targets
        if fitted_loss(estimator).meaning != loss.meaning:
            name, new, old = "loss", estimator.loss, estimator._fitted_loss
            if new == old:
                name, new, old = "quantile", estimator.quantile, estimator._fitted_quantile
            raise ValueError(
                f"{continued_by} continues the fitted net, but got {name}={new!r} (was {old!r})."
            )
        return replace(targets, mean=estimator._target_mean, deviation=estimator._target_deviation)

    def _encode(self, y, name):
        refuse_non_numeric(y, name)
        y = check_array(
            y, dtype=np.float64, ensure_2d=False, allow_nd=True, estimator=self.owner,
            input_name=name,
        )  # fmt: skip
        if y.ndim > 2:
            raise ValueError(
                f"Found array with dim {y.ndim}, while dim <= 2 is required by {self.owner}: "
                f"{name} has targets for each time step only with pooling=None."
            )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y.reshape(len(y), -1)

    def _scale_of(self, y, sample_weight):
        if self.normalize:
            return mean_and_deviation(y, sample_weight)
        return super()._scale_of(y, sample_weight)

    @staticmethod
    def check_fitted(state, n_raw):
        """Raise ValueError unless the loss has so many raw outputs for the targets."""
        name, quantile = state["_fitted_loss"], state["_fitted_quantile"]
        if name not in LOSSES or read_quantile(quantile) != quantile:
            raise ValueError(f"No net was fitted with loss={name!r} and quantile={quantile!r}.")
        loss = LOSSES[name](_WithQuantile(SimpleNamespace(**state), quantile))
        if state["n_outputs_"] * len(loss.settings) != n_raw:
            raise ValueError(
                f"loss={name!r} of {state['n_outputs_']} targets does not go with a net of {n_raw} "
                "raw outputs."
            )

    def fitted(self):
        """The attributes that a fit leaves on the regressor."""
        return {
            **super().fitted(),
            "_fitted_loss": self.fitted_loss,
            "_fitted_quantile": self.quantile,
        }


def fitted_loss(regressor):
    """The loss that says what the outputs of a fitted net mean."""
    return LOSSES[regressor._fitted_loss](_WithQuantile(regressor, regressor._fitted_quantile))


def refuse_without_deviation(net):
    """Refuse to be asked for deviations, unless the fitted net has them."""
    name = getattr(net, "_fitted_loss", None)
    if name != "gaussian":
        what = type(net).__name__ if name is None else f"loss={name!r}"
        raise ValueError(
            f"return_std=True wants a net that was fitted with loss='gaussian', got one of {what}."
        )


class _WithQuantile:
    """A regressor's parameters, but the quantile or quantiles are these."""

    def __init__(self, regressor, quantile):
        self._regressor, self.quantile = regressor, quantile

    def __getattr__(self, name):
        return getattr(self._regressor, name)


@dataclass(frozen=True, eq=False, kw_only=True)
class ClassTargets(Targets):
    """Labels: one output for two classes, else one a class, never scaled.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        All labels, sorted.
    class_weight : dict, "balanced" or None
    """

    classes: np.ndarray
    class_weight: Mapping[Any, float] | str | None

    @classmethod
    def of(cls, estimator, given, continued_by):
        """Of a classifier; refuses classes that are not those of the net it continues."""
        owner, class_weight = type(estimator).__name__, estimator.class_weight
        if given.incremental and class_weight == "balanced":
            raise ValueError(
                'class_weight="balanced" needs all of y at once; partial_fit takes a dict.'
            )
        if not given.incremental:
            classes = unique_labels(_check_labels(given.y, owner))
        elif given.classes is not None:
            classes = unique_labels(_check_labels(given.classes, owner, "classes"))
        elif continued_by is not None:
            classes = estimator.classes_
        else:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if continued_by is not None and not np.array_equal(classes, estimator.classes_):
            raise ValueError(
                f"The fitted net knows classes {estimator.classes_.tolist()}, got "
                f"{classes.tolist()}."
            )
        if len(classes) < 2:
            label = classes.tolist()[0]
            raise ValueError(f"At least 2 classes are needed, got 1 class: {label!r}.")
        loss = BinaryLogLoss() if len(classes) == 2 else MultinomialLogLoss()
        targets = cls(owner=owner, loss=loss, classes=classes, class_weight=class_weight)
        if continued_by is None:
            return targets
        return replace(targets, mean=estimator._target_mean, deviation=estimator._target_deviation)

    def _encode(self, y, name):
        y = _check_labels(y, self.owner, name)
        index = np.searchsorted(self.classes, y).clip(max=len(self.classes) - 1)
        if (self.classes[index] != y).any():
            unknown = np.setdiff1d(y, self.classes).tolist()
            raise ValueError(f"{name} has labels {unknown} that are not among the classes.")
        if len(self.classes) == 2:
            return index[:, np.newaxis].astype(np.float64)
        return np.eye(len(self.classes), dtype=np.float32)[index]

    def weigh(self, y, sample_weight):
        """Sample weights times those of the classes."""
        if self.class_weight is None:
            return sample_weight
        index = self.strata(y).astype(int)
        if isinstance(self.class_weight, str):
            by_class = _balancing_weights(np.bincount(index, sample_weight, len(self.classes)))
        else:
            by_class = _given_weights(self.class_weight, self.classes.tolist())
        return (sample_weight * by_class[index]).astype(sample_weight.dtype)

    def strata(self, y):
        """The place of each label among the classes."""
        return y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)

    @staticmethod
    def check_fitted(state, n_raw):
        """Raise ValueError unless there are as many classes as the net tells apart."""
        classes = state["classes_"]
        wanted = 2 if n_raw == 1 else n_raw
        if np.shape(classes) != (wanted,) or n_raw == 2 or state["n_outputs_"] != n_raw:
            raise ValueError(f"A net of {n_raw} raw outputs does not know the classes {classes}.")

    def fitted(self):
        """The attributes that a fit leaves on the classifier."""
        return {**super().fitted(), "classes_": self.classes}


def _check_labels(y, owner, name="y"):
    """y as a 1-D array of labels."""
    refuse_none(y, owner)
    refuse_hidden(y, name)
    y = check_array(y, dtype=None, ensure_2d=False, estimator=owner, input_name=name)
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    return y


def _balancing_weights(totals):
    """The weights that let all classes count the same, given what the samples of each weigh."""
    # Where there is nothing to weigh, any weight does.
    return totals.sum() / (len(totals) * np.where(totals > 0, totals, 1))


def _given_weights(class_weight, labels):
    """The weights of a dict, 1 for labels that it lacks.

    As in scikit-learn, it may name more labels if it names all of these: a part of the data may
    lack a class.
    """
    unknown = [label for label in class_weight if label not in labels]
    if unknown and not all(label in class_weight for label in labels):
        raise ValueError(f"class_weight has labels {unknown}, but the classes are {labels}.")
    weights = np.array([class_weight.get(label, 1) for label in labels], dtype=np.float64)
    if not (weights >= 0).all():
        raise ValueError(f"class_weight wants weights of at least 0, got {class_weight}.")
    return weights


def refuse_none(y, owner):
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None."
        )


def _check_size(y, numbers, dtype):
    """Refuse targets that, or whose scale, the type of the weights cannot hold."""
    if not max(numbers.max(), -numbers.min()) < np.finfo(dtype).max:
        raise ValueError(f"y has entries too large for {dtype}: up to {np.abs(y).max():g}.")
