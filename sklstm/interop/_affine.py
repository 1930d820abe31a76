"""Transformers that shift and stretch each feature by itself, as two vectors."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._typing import Floats
from sklstm.interop._net import Net
from sklstm.preprocessing import TimestepTransformer


class Affine(NamedTuple):
    """What is subtracted from features, and what multiplies them then.

    Parameters
    ----------
    mean, scale : ndarray of float64, of shape (n_features,) or ()
    """

    mean: Floats
    scale: Floats

    def then(self, mean: Floats, scale: Floats) -> "Affine":
        """Both in one: this, and then another."""
        return Affine(self.mean + mean / self.scale, self.scale * scale)


NOTHING = Affine(np.zeros(()), np.ones(()))


def in_turn(transformer: Any) -> list[Any]:
    """The transformers that a fitted one stands for: those of a pipeline, one after the other."""
    with interrupts_held_back():
        from sklearn.pipeline import Pipeline

    if transformer in (None, "passthrough"):
        return []
    if type(transformer) is not Pipeline:
        return [transformer]
    return [each for _, step in transformer.steps for each in in_turn(step)]


def shift_and_stretch(transformer: Any) -> Affine | None:
    """What a fitted transformer does, if that is to shift and stretch each feature.

    Parameters
    ----------
    transformer : transformer
        One of scikit-learn's.

    Returns
    -------
    affine : Affine or None
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
    # In float64 before they are divided: those of float32 data are float32.
    if transformer.scale_ is not None:
        scale = transformer.scale_.astype(np.float64)
    if kind is preprocessing.MinMaxScaler:
        return Affine(-transformer.min_.astype(np.float64) / scale, scale)
    if kind is preprocessing.StandardScaler and transformer.with_mean:
        mean = transformer.mean_.astype(np.float64)
    if kind is preprocessing.RobustScaler and transformer.with_centering:
        mean = transformer.center_.astype(np.float64)
    return Affine(mean, 1 / scale)


def in_two_parts(affine: Affine, dtype: Any) -> tuple[Floats, Floats]:
    """A mean as the sum of two numbers of a type, for those who subtract both from a feature.

    The first difference rounds little, since features lie about their mean. A mean that is rounded
    would cost all digits of features whose offset is large beside their deviation.

    Parameters
    ----------
    affine : Affine
    dtype : dtype

    Returns
    -------
    high, low : ndarray of shape (n_features,)
        `low` is 0 where nobody would see it.
    """
    high = affine.mean.astype(dtype)
    low = affine.mean - high
    seen = np.abs(low * affine.scale) >= np.finfo(dtype).eps / 8
    return high, np.where(seen, low, 0).astype(dtype)


def scaled_after(net: Net, affine: Affine) -> Net:
    """A net for features that are shifted and stretched before: it does both in one."""
    mean, scale = affine.then(net.mean, net.scale)
    return replace(net, mean=mean, scale=scale)


def refuse_other_steps(transformers: list[TimestepTransformer], net: Net) -> None:
    """Refuse a pipeline whose parts cut the columns of X into different steps.

    Parameters
    ----------
    transformers : list of TimestepTransformer
    net : Net

    Raises
    ------
    ValueError
        If one is seen: how many features come out is known of those that shift and stretch alone.
    """
    widths = [*(each._n_step_features for each in transformers), net.n_features]
    for transformer, (before, after) in zip(transformers, pairwise(widths), strict=True):
        parts = map(shift_and_stretch, in_turn(transformer.transformer_))
        keeps = all(part is not None for part in parts)
        if keeps and before != after:
            raise ValueError(
                f"estimator has parts that read {before} and {after} features a step, one after "
                "the other: give all the same n_timesteps."
            )
