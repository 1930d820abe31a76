"""Transformers that shift and stretch each feature by itself, as two vectors."""

from typing import Any

import numpy as np

from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._typing import Floats


def in_turn(transformer: Any) -> list[Any]:
    """The transformers that a fitted one stands for: those of a pipeline, one after the other."""
    with interrupts_held_back():
        from sklearn.pipeline import Pipeline

    if transformer in (None, "passthrough"):
        return []
    if type(transformer) is not Pipeline:
        return [transformer]
    return [each for _, step in transformer.steps for each in in_turn(step)]


def shift_and_stretch(transformer: Any) -> tuple[Floats, Floats] | None:
    """What a fitted transformer subtracts from features, and what multiplies them then.

    Parameters
    ----------
    transformer : transformer
        One of scikit-learn's.

    Returns
    -------
    mean, scale : ndarray of float64, of shape (n_features,)
        Or None for both together, if it does something else.
    """
    # Imported here, since a pipeline has imported it already if it has one of these.
    with interrupts_held_back():
        from sklearn import preprocessing

    # No subclasses: they may do more.
    kind = type(transformer)
    if kind not in (
        preprocessing.MaxAbsScaler,
        preprocessing.MinMaxScaler,
        preprocessing.RobustScaler,
        preprocessing.StandardScaler,
    ) or getattr(transformer, "clip", False):
        return None
    mean, scale = np.zeros(transformer.n_features_in_), np.ones(transformer.n_features_in_)
    if kind is preprocessing.MinMaxScaler:
        return -transformer.min_ / transformer.scale_, transformer.scale_.astype(np.float64)
    if kind is preprocessing.StandardScaler and transformer.with_mean:
        mean = transformer.mean_
    if kind is preprocessing.RobustScaler and transformer.with_centering:
        mean = transformer.center_
    if transformer.scale_ is not None:
        scale = 1 / transformer.scale_
    return mean.astype(np.float64), scale.astype(np.float64)


def in_two_parts(mean: Floats, scale: Floats, dtype: Any) -> tuple[Floats, Floats]:
    """A mean as the sum of two numbers of a type, for those who subtract both from a feature.

    The first difference rounds little, since features lie about their mean. A mean that is rounded
    would cost all digits of features whose offset is large beside their deviation.

    Parameters
    ----------
    mean, scale : ndarray of float64, of shape (n_features,)
    dtype : dtype

    Returns
    -------
    high, low : ndarray of shape (n_features,)
        `low` is 0 where nobody would see it.
    """
    high = mean.astype(dtype)
    low = mean - high
    low[np.abs(low * scale) < np.finfo(dtype).eps / 8] = 0
    return high, low.astype(dtype)
