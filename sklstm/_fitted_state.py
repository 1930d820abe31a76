"""What is fitted, as plain attributes of the estimator: written, read, and checked when loaded."""

from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np

from sklstm._forms import FLOATS, Expected
from sklstm._network.parameters import Architecture, named_views
from sklstm._training.state import Progress


class Known(NamedTuple):
    """What a fitted net knows of the data, weights apart.

    Parameters
    ----------
    architecture : Architecture
    targets : Targets
    n_outputs : int
        Columns of the encoded y.
    scaling : ndarray of shape (2, n_features)
        What is subtracted from features, and what multiplies them then.
    columns : dict
        What scikit-learn calls `n_features_in_` and, if there are names, `feature_names_in_`.
    n_timesteps : int or None
        Steps of all sequences; None if lengths may vary.
    """

    architecture: Architecture
    targets: Any
    n_outputs: int
    scaling: np.ndarray
    columns: dict[str, Any]
    n_timesteps: int | None


def fitted_state(known, progress):
    """All that a fit leaves on the estimator, as training stands.

    Parameters
    ----------
    known : Known
    progress : Progress
        Its arrays become the estimator's.

    Returns
    -------
    attributes : dict
    """
    architecture, weights = known.architecture, progress.weights.copy()
    known.targets.undo_scale(named_views(architecture, weights))
    return {
        **known.columns,
        **known.targets.fitted(),
        "n_timesteps_": known.n_timesteps,
        "n_outputs_": known.n_outputs,
        "n_layers_": len(architecture.units) + 2,
        "n_iter_": len(progress.history),
        "t_": progress.samples,
        "loss_": progress.history.newest[0] if progress.history else np.inf,
        "best_loss_": progress.best_loss,
        "best_validation_score_": progress.best_score,
        "_shape": astuple(architecture),
        "_scaling": known.scaling,
        "_weights": weights,
        # As they are trained, with y scaled, so that training can go on.
        "_scaled_weights": progress.weights,
        "_memory": progress.memory,
        "_steps": progress.steps,
        "_history": progress.history.copy(),
    }


def continued_progress(estimator, solver, dtype):
    """The net and the history as the previous fit left them."""
    weights = estimator._scaled_weights.astype(dtype)
    memory = solver.init(weights)
    for name in memory.keys() & estimator._memory.keys():
        memory[name][:] = estimator._memory[name]
    steps = estimator._steps if memory.keys() == estimator._memory.keys() else 0
    return Progress(
        weights, memory, steps, estimator.t_, estimator._history.copy(), estimator.best_loss_,
        continued=True,
    )  # fmt: skip


def expected_after_fit(estimator, **types):
    """How a fitted estimator reads X."""
    n_timesteps, n_features = seen_in_fit(estimator)
    # Else it counts the features of a time step.
    on_2d = estimator.n_features_in_ == (n_timesteps and n_timesteps * n_features)
    return Expected(estimator, estimator.n_timesteps, in_fit=False, same_columns=on_2d, **types)


def seen_in_fit(estimator):
    """The timesteps, or None if they may vary, and the features of the sequences seen in fit."""
    return estimator.n_timesteps_, estimator._shape[0]


def check_state(state, check_targets):
    """Refuse a state that no fit leaves behind; kernels would read beyond what there is.

    `check_targets` refuses one whose raw outputs do not go with what is said of targets.
    """
    try:
        architecture = Architecture(*state["_shape"])
        check_targets(state, architecture.n_outputs)
        n_weights, n_outputs = architecture.n_weights, state["n_outputs_"]
        wanted = {
            "_weights": (n_weights,),
            "_scaled_weights": (n_weights,),
            "_scaling": (2, architecture.n_features),
            "_target_mean": (n_outputs,),
            "_target_deviation": (n_outputs,),
        }
        # Read, to see that it can be.
        _ = state["_history"].losses
        arrays = {name: state[name] for name in wanted}
        moments = {f"_memory[{name!r}]": each for name, each in state["_memory"].items()}
        arrays |= moments
        wanted |= dict.fromkeys(moments, (n_weights,))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"This is not the state of a fitted net: {error!r}.") from error
    for name, array in arrays.items():
        if (
            type(array) not in (np.ndarray, np.memmap)
            or array.dtype not in FLOATS
            or not array.dtype.isnative
            or array.shape != wanted[name]
            or (name == "_scaling" and array.dtype != np.float64)
        ):
            raise ValueError(
                f"{name} must be an array of float32 or float64 of shape {wanted[name]}, got "
                f"{getattr(array, 'dtype', type(array))} of {np.shape(array)}."
            )
