"""What files of older versions lack, so that a file loads in every later version."""

from numbers import Real
from typing import Any

from sklstm._scaling import no_scaling
from sklstm._training.history import History

# What was kept, and now is told from the history.
_CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


def as_of_today(state):
    """The attributes of an estimator, as this version keeps them.

    What no version has written is left as it is: to refuse it is for `check_state`.

    Parameters
    ----------
    state : dict
        The attributes as they were written. They are not changed.

    Returns
    -------
    state : dict
        A new one.
    """
    added: dict[str, Any] = {}
    # Of before features were standardised.
    if "normalize_X" not in state:
        added["normalize_X"] = False
        if _is_shape(state.get("_shape")):
            added["_scaling"] = no_scaling(state["_shape"][0])
    # Of before gradients could be cut.
    if "bptt_steps" not in state:
        added["bptt_steps"] = None
    # Of before one net could have several quantiles; the fitted one was the parameter.
    of_regressor = "_fitted_loss" in state and "_fitted_quantile" not in state
    if of_regressor and isinstance(state.get("quantile"), Real):
        added["_fitted_quantile"] = float(state["quantile"])
    # Of before the loss of validation was kept.
    if "loss_curve_" in state and "validation_loss_curve_" not in state:
        added["_history"] = _history(state["loss_curve_"], state.get("validation_scores_") or [])
    elif type(state.get("_history")) is list:
        added["_history"] = History(state["_history"])
    return {name: value for name, value in (state | added).items() if name not in _CURVES}


def _is_shape(shape):
    """Whether the number of features can be read from it."""
    return type(shape) is tuple and bool(shape) and type(shape[0]) is int and shape[0] >= 1


def _history(losses, scores):
    """Epoch by epoch; only the last ones were validated, if not all."""
    scores = [None] * (len(losses) - len(scores)) + list(scores)
    return History((float(loss), score, None) for loss, score in zip(losses, scores, strict=True))
