"""How a fit that was killed goes on: all that training needs, as plain values beside the net."""

from dataclasses import fields, replace
from typing import Any

import numpy as np

from sklstm._callbacks import checkpoints_of, without_callbacks
from sklstm._fitted_state import fitted_state
from sklstm._training.history import History
from sklstm._training.state import Course, End, Progress
from sklstm._training.stopping import Patience

# Raised when older versions could not go on from what is kept.
_FORMAT = 1
_PARTS = {
    "estimator", "parameters", "seeds", "identity", "progress", "course", "patience",
    "bit_generator",
}  # fmt: skip
# Parameters that may change: the first says how far to go on, the other what is printed.
_MAY_CHANGE = "max_iter", "verbose"
# Sequences of X, and numbers of each, that are kept to recognise the data by.
_N_SEQUENCES, _N_NUMBERS = 64, 16


class Checkpoints:
    """What the checkpoints of a fit keep, and what they have kept of one that was killed.

    Parameters
    ----------
    estimator : BaseLSTM
    given : Given
    seeds : ndarray of int of shape (3,)
        As of `prepare_fit`.

    Raises
    ------
    ValueError
        If a file can be no checkpoint of this fit; what it says of data is looked at later.
    """

    def __init__(self, estimator, given, seeds):
        self._estimator, self._callbacks = estimator, checkpoints_of(estimator)
        self._cannot_go_on = _why_not_to_go_on(estimator, given)
        # What a file says; None: there is none, and the fit begins.
        self._kept: Any = None
        self._path, self._identity = None, {}
        for callback in (each for each in self._callbacks if each.resume):
            if self._cannot_go_on is not None:
                raise ValueError(f"resume=True {self._cannot_go_on}")
            self._kept, self._path = callback._kept_fit(), callback.path
            if self._kept is not None:
                _refuse_format(self._kept, self._path)
                self._refuse_other_parameters(seeds)
                break
        # Those of the fit that was killed, where random_state=None would draw others.
        self.seeds = seeds if self._kept is None else np.array(self._kept["seeds"])

    def gone_on(self, fit):
        """The fit, as far as a file has it; ValueError if that is one of other data."""
        if not self._callbacks:
            return fit
        self._identity = _identity(fit)
        if self._kept is None:
            return fit
        self._refuse(_other_data(self._kept["identity"], self._identity))
        self._refuse_length(fit)
        # It is not needed any more, and as large as several nets.
        kept, self._kept = self._kept, None
        try:
            return _restored(fit, kept)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{self._path} is damaged: {error!r}.") from error

    def keep(self, fit):
        """An epoch has ended: write what is due."""
        for callback in self._callbacks:
            if len(fit.progress.history) % callback.every == 0:
                callback._keep_fit(self._model(fit))

    def keep_end(self, fit):
        """Training has ended: write how."""
        for callback in self._callbacks:
            callback._keep_fit(self._model(fit))

    def _model(self, fit):
        """The estimator as training stands, and in `_standing` what is needed to go on."""
        model = object.__new__(type(self._estimator))
        attributes = fitted_state(fit.known, fit.progress)
        model.__dict__ = without_callbacks(self._estimator.__dict__) | attributes
        if "feature_names_in_" not in fit.columns:
            model.__dict__.pop("feature_names_in_", None)
        if self._cannot_go_on is not None:
            # Of a file that the estimator was loaded from.
            model.__dict__.pop("_standing", None)
            return model
        model._standing = {
            "format": _FORMAT,
            "estimator": type(model).__name__,
            "parameters": model.get_params(deep=False),
            "seeds": self.seeds.tolist(),
            "identity": self._identity,
            **_standing(fit),
        }
        return model

    def _refuse_other_parameters(self, seeds):
        kept, estimator = self._kept, self._estimator
        differences = []
        if kept["estimator"] != type(estimator).__name__:
            differences.append(_differs("estimator", kept["estimator"], type(estimator).__name__))
            self._refuse(differences)
        new, old = estimator.get_params(deep=False), kept["parameters"]
        may_change = {*_MAY_CHANGE, "random_state"}
        if new["learning_rate"] == "cosine":
            # Its rates depend on max_iter.
            may_change.remove("max_iter")
        differences += [
            _differs(name, old.get(name), new[name])
            for name in new
            if name not in may_change and not _equal(old.get(name), new[name])
        ]
        states = old["random_state"], new["random_state"]
        both_draw_anew = states == (None, None)
        if not both_draw_anew and (None in states or kept["seeds"] != seeds.tolist()):
            differences.append(_differs("random_state", *states))
        self._refuse(differences)

    def _refuse_length(self, fit):
        epochs, max_iter = self._kept["course"]["epochs"], fit.settings.max_iter
        if max_iter < epochs:
            self._refuse([f"max_iter={max_iter} (it has {epochs} epochs)"])

    def _refuse(self, differences):
        if differences:
            raise ValueError(
                f"resume=True goes on with the fit of {self._path}, but got "
                f"{', '.join(differences)}: name another file, delete this one, or fit as it was."
            )


def _why_not_to_go_on(estimator, given):
    """What to say to those who want to; None: it can be gone on with."""
    if given.incremental:
        return (
            "goes on with fit, not with partial_fit: with resume=False, partial_fit goes on with "
            "what joblib.load makes of the file."
        )
    if estimator.solver == "lbfgs":
        return (
            "cannot go on with solver='lbfgs', as scipy keeps what it has learned of the curvature "
            "to itself: take another solver, or resume=False."
        )
    return None


def _refuse_format(kept, path):
    """Refuse a file that another version has written in a way that this one cannot read."""
    is_known = isinstance(kept, dict) and kept.get("format") == _FORMAT
    if not is_known or not kept.keys() >= _PARTS:
        raise ValueError(
            f"{path} cannot be gone on from: it is none of a fit of this version with a "
            "Checkpoint and a solver other than 'lbfgs'. Name another file, or delete this one."
        )


def _identity(fit):
    """What data are recognised by: a word on each part, and some of its numbers."""
    parts = {"X": _of_sequences(fit.data), "y": _of_targets(fit)}
    parts["sample_weight"] = f"{len(fit.data.sample_weight)} weights", _some(fit.data.sample_weight)
    parts["columns"] = ", ".join(map(str, fit.columns.get("feature_names_in_", []))) or "none", None
    if fit.validation is not None and fit.validation.sequences is not fit.data.sequences:
        parts["X_val"] = _of_sequences(fit.validation)
        parts["y_val"] = _words_of_targets(fit.validation), _some(fit.validation.targets)
    if fit.progress.continued:
        n_iter = len(fit.progress.history)
        parts["fitted net"] = f"one after {n_iter} epochs", _some(fit.progress.weights)
    return parts


def _of_sequences(data):
    """How many there are, of how many numbers of which type; and some of these."""
    sequences = data.sequences
    n, steps = len(sequences), int(sequences.records["length"].sum())
    words = f"{n} sequences, {steps} steps, {sequences.n_features} features, {sequences.dtype}"
    chosen = np.unique(np.linspace(0, n - 1, _N_SEQUENCES).astype(int)).tolist()
    some = [_some(sequences.source[i], _N_NUMBERS) for i in chosen]
    return words, np.concatenate(some)


def _of_targets(fit):
    words = _words_of_targets(fit.data)
    classes = fit.targets.fitted().get("classes_")
    if classes is not None:
        words += f", classes {classes.tolist()}"
    return words, _some(fit.data.targets)


def _words_of_targets(data):
    return " x ".join(map(str, data.targets.shape)) + " targets"


def _some(array, n=_N_SEQUENCES * _N_NUMBERS):
    """At most `n` of its numbers, evenly spread."""
    array = np.asarray(array)
    return array.flat[np.linspace(0, array.size - 1, min(n, array.size)).astype(int)].astype(float)


def _other_data(old, new):
    """What differs, in words."""
    differences = []
    for name in sorted(old.keys() | new.keys()):
        was, its_numbers = old.get(name, ("none", None))
        words, numbers = new.get(name, ("none", None))
        if words != was:
            differences.append(f"{name} of {words} (was {was})")
        elif numbers is not None and not _close(its_numbers, numbers):
            differences.append(f"other numbers in {name}")
    return differences


def _close(old, new):
    """Whether numbers are the same but for rounding, which targets are scaled with."""
    size = np.nanmax(np.abs(old), initial=0)
    return old.shape == new.shape and np.allclose(old, new, 1e-6, 1e-6 * size, equal_nan=True)


def _differs(name, old, new):
    return f"{name}={new!r} (was {old!r})"


def _equal(one, other):
    """Whether two values of a parameter are the same; they may be arrays."""
    return np.array_equal(np.asarray(one, dtype=object), np.asarray(other, dtype=object))


def _standing(fit):
    """What training needs to go on, in values that any later version can read."""
    progress, course, patience = fit.progress, fit.course, fit.course.patience
    weights = progress.weights if course.last_weights is None else course.last_weights
    return {
        "progress": {each.name: getattr(progress, each.name) for each in fields(Progress)}
        | {"weights": weights, "history": list(progress.history)},
        "course": {
            "epochs": course.epochs,
            "plateaus": course.plateaus,
            "sound": course.sound,
            "end": None if course.end is None else course.end.name,
        },
        "patience": {
            "best": patience.best,
            "best_weights": patience.best_weights,
            "waited": patience.waited,
        },
        "bit_generator": fit.bit_generator.state,
    }


def _restored(fit, kept):
    """The fit as `_standing` has kept it."""
    known, course = fit.progress, kept["course"]
    memory = {name: _like(known.weights, kept["progress"]["memory"][name]) for name in known.memory}
    weights = _like(known.weights, kept["progress"]["weights"])
    progress = Progress(**(kept["progress"] | {"weights": weights, "memory": memory}))
    progress.history = History(progress.history)
    patience = Patience(fit.settings.tol, fit.settings.n_iter_no_change)
    patience.best, patience.waited = kept["patience"]["best"], kept["patience"]["waited"]
    patience.best_weights = _like(known.weights, kept["patience"]["best_weights"])
    end = None if course["end"] is None else End[course["end"]]
    fit.bit_generator.state = kept["bit_generator"]
    sound = _like(known.weights, course["sound"])
    course = Course(course["epochs"], course["plateaus"], sound, patience, end)
    return replace(fit, progress=progress, course=course)


def _like(weights, array):
    """A copy of an array that is as weights are; ValueError if it is not. None stays."""
    if array is None:
        return None
    if (array.dtype, array.shape) != (weights.dtype, weights.shape):
        raise ValueError(f"{array.dtype} of {array.shape}, not {weights.dtype} of {weights.shape}")
    return array.copy()
