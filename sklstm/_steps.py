"""A target for each step: y, weights and predictions in the forms of X, and all steps in a row."""

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import _check_sample_weight

from sklstm._messages import warn_user
from sklstm._numbers import refuse_hidden, refuse_non_numeric


def steps_in_a_row(y, sequences, name="y"):
    """The entries of y for all steps of all sequences, without those of padding.

    Parameters
    ----------
    y : array-like of shape (n_samples, n_timesteps) or (n_samples, n_timesteps, n_outputs), or \
            list of array-like of shape (timesteps_i,) or (timesteps_i, n_outputs)
    sequences : Sequences
    name : str
        What the user calls y.

    Returns
    -------
    y : ndarray of shape (n_steps,) or (n_steps, n_outputs)
    """
    refuse_hidden(y, name)
    lengths, n_timesteps = sequences.records["length"], sequences.n_timesteps
    y = y if isinstance(y, list | tuple) else np.asarray(y)
    if _is_list(y):
        parts = [_entries(part) for part in y]
        if all(part.ndim in (1, 2) and part.shape[1:] == parts[0].shape[1:] for part in parts):
            # Only an array of X has padding, for which there may be entries too.
            padded = None if type(sequences.source) is list else n_timesteps
            return _joined(parts, lengths, padded, name)
        shape = "a list of " + " and ".join(sorted({f"shape {part.shape}" for part in parts}))
        one_for_each_row = [part.ndim for part in parts] == [0] * len(lengths)
    else:
        if y.ndim in (2, 3) and y.shape[:2] == (len(lengths), n_timesteps) and y.size:
            if y.ndim == 3 and y.shape[2] == 1:
                warn_user(
                    f"{name} of shape {y.shape} is read as {y.shape[:2]}, which is the shape of "
                    "predictions too.",
                    DataConversionWarning,
                )
                y = y[:, :, 0]
            if sequences.equal_lengths and sequences.longest == n_timesteps:
                return y.reshape(-1, *y.shape[2:])
            return y[np.arange(n_timesteps) < lengths[:, np.newaxis]]
        shape = f"shape {y.shape}"
        one_for_each_row = y.shape == (len(lengths),)
    raise ValueError(
        f"With pooling=None, {name} must have an entry for each time step, in the form of X: an "
        f"array {len(lengths), n_timesteps} or ({len(lengths)}, {n_timesteps}, n_outputs), or a "
        f"list of arrays (timesteps_i,) or (timesteps_i, n_outputs); got {shape}."
        + f" If {name} has one for each sequence, choose another pooling; if X is one sequence, "
        f"pass X[np.newaxis] and {name}[np.newaxis]." * one_for_each_row
    )


def _is_list(y):
    """Whether y is a container of what belongs to each sequence."""
    if isinstance(y, np.ndarray):
        return y.dtype == object and y.ndim == 1
    return isinstance(y, list | tuple)


def _entries(part):
    """The entries of a part as an array: beside words NumPy would make a word of NaN."""
    array = np.asarray(part)
    if isinstance(part, list | tuple) and array.dtype.kind in "fUS":
        return np.asarray(part, object)
    return array


def _joined(parts, lengths, padded, name):
    if len(parts) != len(lengths):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: "
            f"[{len(lengths)}, {len(parts)}]: X and {name} must have as many."
        )
    for i, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        if len(part) not in (length, padded):
            raise ValueError(
                f"{name}[{i}] has {len(part)} entries, but X[{i}] has {length} time steps: with "
                "pooling=None there must be one for each."
            )
    parts = [part[:length] for part, length in zip(parts, lengths, strict=True)]
    if len({part.dtype.kind for part in parts}) > 1:
        parts = [part.astype(object) for part in parts]
    return np.concatenate(parts)


def labelled_steps(y, name="y"):
    """The labels, neither NaN nor None, and of which steps they are.

    Parameters
    ----------
    y : ndarray of shape (n_steps,) or (n_steps, n_outputs)

    Returns
    -------
    labels : ndarray of shape (n_labelled,) or (n_labelled, n_outputs)
    labelled : ndarray of bool, of shape (n_steps,)
    """
    missing = np.zeros(y.shape, bool)
    if y.dtype.kind in "fc":
        missing = np.isnan(y)
    elif y.dtype == object:
        flat = [_is_missing(entry) for entry in y.ravel().tolist()]
        missing = np.array(flat, bool).reshape(y.shape)
    missing = missing.reshape(len(y), -1)
    some = missing.any(axis=1) & ~missing.all(axis=1)
    if some.any():
        raise ValueError(
            f"{name} has steps with some outputs missing, and some not: {some.sum()} of {len(y)}; "
            "a step has all of its outputs, or none."
        )
    if missing.all():
        raise ValueError(f"{name} has no labels: all {len(y)} entries are NaN or None.")
    labelled = ~missing[:, 0]
    labels = y[labelled]
    return _without_objects(labels) if y.dtype == object else labels, labelled


def _is_missing(entry):
    """Whether an object is None, NaN or pandas.NA."""
    if entry is None:
        return True
    # NaN is not equal to itself; of pandas.NA, that is not known either.
    unequal = entry != entry
    return bool(unequal) if isinstance(unequal, bool | np.bool_) else True


def _without_objects(labels):
    """Objects as the numbers or words that they are; both together stay, and are refused later."""
    array = np.array(labels.tolist())
    words = array.dtype.kind in "US" and not all(isinstance(e, str | bytes) for e in labels.flat)
    return labels if words else array


def weights_of_steps(sample_weight, sequences, dtype):
    """The weights of all steps: given for each sequence, or for each step as y is.

    Returns
    -------
    sample_weight : ndarray of shape (n_steps,)
    """
    lengths = sequences.records["length"]
    if getattr(getattr(sample_weight, "dtype", None), "kind", None) == "O":
        sample_weight = list(sample_weight)
    first = sample_weight[0] if _is_list(sample_weight) and len(sample_weight) else sample_weight
    of_sequences = np.ndim(first) == 0 or (np.ndim(first) == 1 and not _is_list(sample_weight))
    refuse_non_numeric(sample_weight, "sample_weight")
    if not of_sequences:
        sample_weight = steps_in_a_row(sample_weight, sequences, "sample_weight")
        if sample_weight.ndim > 1:
            raise ValueError(
                f"sample_weight must have one number for each sequence, or for each time step, got "
                f"{sample_weight.shape[1]} for each time step."
            )
        like = np.broadcast_to(0, len(sample_weight))
        return _check_sample_weight(sample_weight, like, dtype=dtype, ensure_non_negative=True)
    like = np.broadcast_to(0, len(lengths))
    weight = _check_sample_weight(sample_weight, like, dtype=dtype, ensure_non_negative=True)
    return np.repeat(weight, lengths)


def as_sequences(answers, sequences):
    """What a net says of all steps, in the form of X: an array, NaN on padding, or a list.

    Parameters
    ----------
    answers : ndarray of shape (n_steps, ...)
    sequences : Sequences

    Returns
    -------
    answers : ndarray of shape (n_samples, n_timesteps, ...), or list of ndarray (timesteps_i, ...)
    """
    lengths, n_timesteps = sequences.records["length"], sequences.n_timesteps
    if type(sequences.source) is list:
        return np.split(answers, np.cumsum(lengths)[:-1])
    shape = len(lengths), n_timesteps, *answers.shape[1:]
    if sequences.equal_lengths and sequences.longest == n_timesteps:
        return answers.reshape(shape)
    dtype = np.result_type(answers, np.float32) if answers.dtype.kind in "fiub" else object
    padded = np.full(shape, np.nan, dtype)
    padded[np.arange(n_timesteps) < lengths[:, np.newaxis]] = answers
    return padded
