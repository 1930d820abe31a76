"""What a fit is made of, decided before the first step: data, net, settings, all checked."""

from copy import copy
from dataclasses import astuple, dataclass, field, fields, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from sklstm._fitted_state import Known, continued_progress, expected_after_fit, seen_in_fit
from sklstm._forms import Expected, columns_of
from sklstm._frames import warn_of_unlike_columns
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._messages import speaking_of
from sklstm._network.initial_weights import initial_weights
from sklstm._network.order import Outputs
from sklstm._network.parameters import Architecture, named_views
from sklstm._numbers import refuse_non_numeric
from sklstm._scaling import FeatureMoments, no_scaling
from sklstm._sequences import check_agreement, check_numbers, read_sequences, read_shape
from sklstm._steps import labelled_steps, steps_in_a_row, weights_of_steps
from sklstm._targets import Targets, refuse_none
from sklstm._training.solvers import SOLVERS
from sklstm._training.state import Course, Data, Progress, Settings

# A byte more could not be addressed: weights and their like are kept several times.
_MOST_WEIGHTS = np.iinfo(np.intp).max // 64


class Given(NamedTuple):
    """What a call of fit or, if `incremental`, partial_fit was given."""

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    classes: Any = None
    incremental: bool = False


@dataclass(frozen=True, eq=False)
class Fit:
    """All that is decided before training; only `progress` and `course` change from then on.

    Parameters
    ----------
    architecture : Architecture
    data : Data
    validation : Data or None
    settings : Settings
    progress : Progress
    bit_generator : BitGenerator
        Shuffles samples and draws dropout masks.
    targets : Targets
    columns : dict
        What scikit-learn calls `n_features_in_` and, if there are names, `feature_names_in_`.
    n_timesteps : int or None
        Steps of all sequences; None if lengths may vary.
    course : Course
        Of a fit that goes on: where it was; else it begins.
    """

    architecture: Architecture
    data: Data
    validation: Data | None
    settings: Settings
    progress: Progress
    bit_generator: np.random.BitGenerator
    targets: Targets
    columns: dict[str, Any]
    n_timesteps: int | None
    course: Course = field(default_factory=Course)

    @property
    def known(self):
        """What the fitted net will know of the data."""
        return Known(
            self.architecture, self.targets, self.data.targets.shape[1],
            self.data.sequences.scaling, self.columns, self.n_timesteps,
        )  # fmt: skip


def prepare_fit(estimator, given, seeds):
    """Validate everything that a fit is given; the estimator is left as it is.

    Parameters
    ----------
    estimator : BaseLSTM
    given : Given
    seeds : (int, int, int)
        Of initial weights, of the validation set, and of shuffling and dropout: streams of their
        own, so that what one draws does not change another, and a fit that goes on holds out the
        same rows, but neither shuffles nor drops units as before.

    Returns
    -------
    fit : Fit
    """
    continued_by = _continued_by(estimator, given)
    form, sequences = _read(estimator, given, continued_by)
    read = _read_steps if estimator.pooling is None else _read_targets
    targets, y, sample_weight, input_weight, outputs = read(
        estimator, given, form, sequences, continued_by
    )
    architecture = Architecture(
        form.n_features, _units(estimator), bool(estimator.bidirectional), estimator.pooling,
        targets.n_outputs(y),
    )  # fmt: skip
    if continued_by is not None:
        n_raw = len(targets.loss.settings)
        _refuse_change(Architecture(*estimator._shape), architecture, n_raw, continued_by)
    settings = _settings(estimator, targets.loss, 1 if given.incremental else estimator.max_iter)
    strata = None if architecture.reads_each_step else targets.strata(y)
    rows, held_out = _split(estimator, given, strata, outputs.add_up(sample_weight), seeds[1])
    if continued_by is None:
        sequences = _scale_inputs(estimator, form, input_weight, rows)
        if form.from_2d and estimator.n_timesteps is None:
            warn_of_unlike_columns(given.X, form.source[:, :, 0])
        some = outputs.weighed(rows, sample_weight)
        known, weight = y[some], sample_weight[some]
        targets = targets.with_scale(known, weight, form.dtype)
        progress = _new_progress(estimator, architecture, settings, sequences, seeds[0])
        baseline = targets.baseline(known, weight)
        # Copies, of which a million targets would feel each.
        del known, weight
        named_views(architecture, progress.weights)["output_bias"][:] = baseline
    else:
        progress = continued_progress(estimator, settings.solver, form.dtype)
    columns, n_timesteps = _seen(estimator, continued_by, form, sequences)
    data = Data(sequences, targets.scaled(y, form.dtype), sample_weight, rows, outputs)
    validation = None if held_out is None else replace(data, rows=held_out)
    if given.X_val is not None or given.y_val is not None:
        seen = _that_has_seen(estimator, columns, n_timesteps, architecture)
        validation = _given_validation(seen, given, targets, data)
    if validation is not None:
        _check_enough_to_validate(validation)
    return Fit(
        architecture, data, validation, settings, progress,
        _bit_generator([seeds[2], progress.steps]), targets, columns, n_timesteps,
    )  # fmt: skip


def _continued_by(estimator, given):
    """By which means a fitted net is trained on, as errors say it; None: the net is new."""
    if not hasattr(estimator, "_weights"):
        return None
    if given.incremental:
        return "partial_fit"
    return "warm_start=True" if estimator.warm_start else None


def _read(estimator, given, continued_by):
    """The form of X, and its sequences if their scaling or lengths are asked for, else None."""
    if continued_by == "partial_fit":
        expected = expected_after_fit(estimator, list_dtype=estimator._weights.dtype)
    else:
        expected = Expected(estimator, estimator.n_timesteps)
    form = read_shape(given.X, expected)
    if continued_by is None:
        return form, check_numbers(form, expected) if estimator.pooling is None else None
    sequences = check_numbers(form, expected, estimator._scaling)
    if continued_by == "partial_fit":
        check_agreement(form, expected, *seen_in_fit(estimator))
    return form, sequences


class _Targets(NamedTuple):
    """What y is to the net; y, and what it and X weigh, as arrays; which of y is a sequence's."""

    targets: Targets
    y: np.ndarray
    sample_weight: np.ndarray
    input_weight: np.ndarray
    outputs: Outputs


def _read_targets(estimator, given, form, sequences, continued_by):
    """A target for each sequence."""
    _refuse_one_target(form, given.y)
    targets = estimator._targets.of(estimator, given, continued_by)
    y = targets.encode(given.y, form)
    refuse_non_numeric(given.sample_weight, "sample_weight")
    weight = _check_sample_weight(
        given.sample_weight, form, dtype=form.dtype, ensure_non_negative=True
    )
    weight = targets.weigh(y, weight)
    return _Targets(targets, y, weight, weight, Outputs())


def _read_steps(estimator, given, form, sequences, continued_by):
    """A target for each step that has one; the others have no weight."""
    outputs = Outputs(sequences.records["length"])
    refuse_none(given.y, type(estimator).__name__)
    labels, labelled = labelled_steps(steps_in_a_row(given.y, sequences))
    weight = weights_of_steps(given.sample_weight, sequences, form.dtype)
    weighed = weight[labelled] > 0
    if not weighed.any():
        _check_total_weight(weight[labelled])
    labels, labelled[labelled] = labels[weighed], weighed
    targets = estimator._targets.of(estimator, given._replace(y=labels), continued_by)
    y = targets.encode_steps(labels, labelled)
    weight = targets.weigh(y, np.where(labelled, weight, 0))
    # The net reads steps without a weight too: all of a sequence weigh what the others do.
    n_weighed = np.maximum(outputs.add_up(weight > 0), 1)
    input_weight = outputs.add_up(weight) / n_weighed
    return _Targets(targets, y, weight, input_weight.astype(form.dtype), outputs)


def _refuse_one_target(form, y):
    """Refuse a single target of many rows: these may be meant to be the steps of one sequence."""
    is_one = len(y) == 1 if isinstance(y, list | tuple) else getattr(y, "shape", None) == (1,)
    if is_one and form.from_2d and len(form) > 1:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: [{len(form)}, 1]. "
            f"If X is one sequence of {len(form)} time steps, pass X[np.newaxis]."
        )


def _units(estimator):
    """hidden_layer_sizes as a tuple."""
    sizes = np.asarray(estimator.hidden_layer_sizes, dtype=object)
    wrong = [u for u in sizes.flat if not (isinstance(u, Integral) and int(u) >= 1)]
    if sizes.ndim > 1 or sizes.size == 0 or wrong:
        raise ValueError(
            f"hidden_layer_sizes must be integers of at least 1, one a layer, got "
            f"{estimator.hidden_layer_sizes!r}."
        )
    return tuple(int(u) for u in sizes.flat)


def _refuse_change(known, architecture, n_raw, continued_by):
    """Refuse to continue a net of one architecture as one of another.

    Users count outputs, of which each is `n_raw` raw ones.
    """
    known, architecture = (
        replace(each, n_outputs=each.n_outputs // n_raw) for each in (known, architecture)
    )
    names = {"units": "hidden_layer_sizes"}
    changed = ", ".join(
        f"{names.get(field.name, field.name)}={new!r} (was {old!r})"
        for field, old, new in zip(
            fields(architecture), astuple(known), astuple(architecture), strict=True
        )
        if new != old
    )
    if changed:
        raise ValueError(f"{continued_by} continues the fitted net, but got {changed}.")


def _settings(estimator, loss, max_iter):
    return Settings(
        loss, SOLVERS[estimator.solver].of(estimator), estimator.alpha, max_iter, estimator.tol,
        estimator.n_iter_no_change, estimator.dropout, estimator.recurrent_dropout,
        estimator.max_grad_norm, estimator.bptt_steps,
    )  # fmt: skip


def _split(estimator, given, strata, sample_weight, seed):
    """Rows to train on, and rows to validate on or None; `sample_weight` is that of rows."""
    rows, held_out = np.arange(len(sample_weight)), None
    if estimator.early_stopping and given.X_val is None:
        if estimator.pooling is None:
            # A sequence without a label is as if it were not there.
            rows = np.flatnonzero(sample_weight)
        rows, held_out = _hold_out(estimator, rows, strata, np.random.RandomState(seed))
        _check_total_weight(sample_weight[held_out])
    _check_total_weight(sample_weight[rows])
    return rows, held_out


def _hold_out(estimator, rows, strata, random_state):
    # Imported here, since it takes as long as all of sklstm.
    with interrupts_held_back():
        from sklearn.model_selection import train_test_split

    fraction, shuffle = estimator.validation_fraction, estimator.shuffle
    strata = strata if shuffle else None
    n_held_out = int(np.ceil(fraction * len(rows)))
    n_strata = 1 if strata is None else len(np.unique(strata))
    least = max(_least_to_validate(estimator.pooling), n_strata)
    if not least <= n_held_out <= len(rows) - n_strata:
        raise ValueError(
            f"validation_fraction={fraction} of {len(rows)} samples leaves {n_held_out} to "
            f"validate on and {len(rows) - n_held_out} to train on: at least {least} and "
            f"{n_strata} are needed."
        )
    return train_test_split(
        rows, test_size=n_held_out, random_state=random_state if shuffle else None,
        shuffle=shuffle, stratify=strata,
    )  # fmt: skip


def _least_to_validate(pooling):
    """How many sequences it takes at least: R2 wants two targets, which may be steps of one."""
    return 1 if pooling is None else 2


def _check_enough_to_validate(validation):
    n_steps = len(validation.outputs.weighed(validation.rows, validation.sample_weight))
    if n_steps < 2:
        raise ValueError(f"At least 2 labelled steps are needed to validate on, got {n_steps}.")


def _check_total_weight(sample_weight):
    """Refuse weights that cannot be divided by their sum."""
    total = sample_weight.sum()
    if not 0 < total < np.inf:
        raise ValueError(
            f"sample_weight must have a positive, finite sum over the rows of training, and of "
            f"validation, got {total}."
        )


def _scale_inputs(estimator, form, sample_weight, rows):
    """Check the numbers of X, and find how features are scaled, both in one pass."""
    expected = Expected(estimator, estimator.n_timesteps)
    if not estimator.normalize_X:
        return check_numbers(form, expected, no_scaling(form.n_features))
    trained = np.zeros_like(sample_weight)
    trained[rows] = sample_weight[rows]
    moments = FeatureMoments(form.n_features, trained)
    sequences = check_numbers(form, expected, moments=moments)
    return replace(sequences, scaling=moments.scaling(sequences.records, form.dtype))


def _new_progress(estimator, architecture, settings, sequences, seed):
    """A new net, and an empty history."""
    try:
        if architecture.n_weights > _MOST_WEIGHTS:
            raise MemoryError
        weights = initial_weights(
            architecture, sequences.dtype, estimator.forget_bias, sequences.longest,
            np.random.RandomState(seed),
        )  # fmt: skip
    except MemoryError as error:
        raise MemoryError(
            f"hidden_layer_sizes={estimator.hidden_layer_sizes} makes a net of at least "
            f"{min(architecture.n_weights, _MOST_WEIGHTS):.2g} weights, which do not fit into "
            "memory: take fewer units."
        ) from error
    return Progress(weights, settings.solver.init(weights))


def _seen(estimator, continued_by, form, sequences):
    """What is known of the columns of X, and the steps of all sequences, or None."""
    if continued_by == "partial_fit":
        return columns_of(estimator), estimator.n_timesteps_
    full = sequences.equal_lengths and sequences.longest == form.n_timesteps
    return form.columns, form.n_timesteps if full else None


def _given_validation(seen, given, targets, data):
    """The validation data that was passed to fit; `seen` is an estimator that has seen X."""
    if given.X_val is None or given.y_val is None:
        missing = "X_val" if given.X_val is None else "y_val"
        raise ValueError(f"X_val and y_val go together, got no {missing}.")
    dtype, scaling = data.sequences.dtype, data.sequences.scaling
    with speaking_of("X_val"):
        expected = expected_after_fit(seen, dtype=dtype)
        sequences = read_sequences(given.X_val, expected, seen_in_fit(seen), scaling)
        if len(sequences) < _least_to_validate(seen.pooling):
            raise ValueError(f"X has {len(sequences)} sample: at least 2 are needed.")
    sample_weight = np.ones(len(sequences), dtype)
    with speaking_of("y_val"):
        if data.outputs.lengths is None:
            y, outputs = targets.encode(given.y_val, sequences, "y_val"), Outputs()
        else:
            y = steps_in_a_row(given.y_val, sequences, "y_val")
            labels, labelled = labelled_steps(y, "y_val")
            y = targets.encode_steps(labels, labelled, "y_val")
            sample_weight, outputs = labelled.astype(dtype), Outputs(sequences.records["length"])
        n_outputs, known = y.shape[1], data.targets.shape[1]
        if n_outputs != known:
            raise ValueError(f"y_val has {n_outputs} outputs, but those of training are {known}.")
        y = targets.scaled(y, dtype)
    return Data(sequences, y, sample_weight, np.arange(len(sequences)), outputs)


def _that_has_seen(estimator, columns, n_timesteps, architecture):
    """A copy of the estimator that can be asked what X_val has to be."""
    seen = copy(estimator)
    seen.__dict__.pop("feature_names_in_", None)
    seen.__dict__.update(columns, n_timesteps_=n_timesteps, _shape=astuple(architecture))
    return seen


def _bit_generator(seed):
    """The stream of RandomState(seed), which a Generator can draw from too."""
    bit_generator = np.random.MT19937(0)
    np.random.RandomState(bit_generator).seed(seed)
    return bit_generator
