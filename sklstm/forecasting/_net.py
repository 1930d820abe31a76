"""The net of a forecaster: in which form it learns targets, and what its answers are."""

import numpy as np

from sklstm._machine.undisturbed import interrupts_held_back


def net_of(estimator):
    """The estimator that a pipeline or search ends with, fitted or not."""
    if hasattr(estimator, "best_estimator_"):
        return net_of(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return net_of(estimator.steps[-1][1])
    if hasattr(estimator, "param_grid") or hasattr(estimator, "param_distributions"):
        return net_of(estimator.estimator)
    return estimator


def answers_each_step(estimator):
    """Whether the net has an answer for each step of a window: pooling=None."""
    return getattr(net_of(estimator), "pooling", "last") is None


def targets_for(estimator, targets, n_timesteps):
    """Targets in the form that a net learns.

    Parameters
    ----------
    estimator : estimator
    targets : ndarray of shape (n_windows, horizon, n_targets)
    n_timesteps : int

    Returns
    -------
    y : ndarray
        (n_windows, horizon * n_targets), without the second axis if that is 1. Of a net that
        answers each step (n_windows, n_timesteps, n_targets), without the last axis if that is 1:
        the last steps have the rows to forecast, the others none.
    """
    n, horizon, n_targets = targets.shape
    if not answers_each_step(estimator):
        y = targets.reshape(n, -1)
        return y[:, 0] if y.shape[1] == 1 else y
    y = np.full((n, n_timesteps, n_targets), np.nan, targets.dtype)
    y[:, -horizon:] = targets
    return y[..., 0] if n_targets == 1 else y


def forecast_names(targets, estimator):
    """What the columns of a forecast are called, given the labels of the targets."""
    net = net_of(estimator)
    loss, quantile = getattr(net, "_fitted_loss", None), getattr(net, "_fitted_quantile", None)
    if loss == "gaussian":
        return [name for target in targets for name in (target, f"{target}_std")]
    if loss == "quantile" and isinstance(quantile, tuple):
        return [f"{target}_{q:g}" for target in targets for q in quantile]
    return list(targets)


def predict(estimator, windows, horizon):
    """What a fitted net says of windows: an array (n_windows, horizon, n_columns)."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if getattr(net_of(estimator), "_fitted_loss", None) != "gaussian":
        answers = estimator.predict(windows)
    else:
        answers = np.stack(_mean_and_deviation(estimator, windows), axis=-1)
    if answers_each_step(estimator):
        answers = answers[:, -horizon:]
    return answers.reshape(len(answers), horizon, -1)


def _mean_and_deviation(estimator, windows):
    # Imported here, since it takes as long as the half of sklstm.
    with interrupts_held_back():
        from sklearn.pipeline import Pipeline

    # By hand: with metadata routing, a pipeline hands return_std on only where that is requested.
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        windows = estimator[:-1].transform(windows)
    return net_of(estimator).predict(windows, return_std=True)
