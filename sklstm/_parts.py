"""A model taken apart: the transformers of a pipeline, and the net that it ends with."""

from copy import copy
from typing import Any

from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseLSTM
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm.preprocessing import TimestepTransformer


def take_apart(model: Any, name: str = "model") -> tuple[list[TimestepTransformer], Any]:
    """The parts of a fitted estimator, or of a pipeline of `TimestepTransformer` and one.

    Parameters
    ----------
    model : LSTMRegressor, LSTMClassifier or Pipeline
    name : str
        What the user calls it.

    Returns
    -------
    transformers : list of TimestepTransformer
    net : LSTMRegressor or LSTMClassifier
        All are copies: a later fit changes none of them.

    Raises
    ------
    NotFittedError
        If a part is not fitted.
    TypeError
        If the model is of another kind.
    """
    # Imported here, since it takes as long as the half of sklstm.
    with interrupts_held_back():
        from sklearn.pipeline import Pipeline

    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    *transformers, net = steps or [None]
    transformers = [each for each in transformers if each not in (None, "passthrough")]
    for each in transformers:
        if not isinstance(each, TimestepTransformer):
            raise TypeError(
                f"{name} must be a pipeline of TimestepTransformers and an estimator of sklstm, "
                f"got {type(each).__name__} in it: wrap it in TimestepTransformer."
            )
        check_is_fitted(each)
    if not isinstance(net, BaseLSTM):
        raise TypeError(
            f"{name} must be an LSTMRegressor or LSTMClassifier, or a pipeline that ends with "
            f"one, got {type(net).__name__}."
        )
    check_is_fitted(net)
    # As they stand: a later fit of the pipeline sets what is fitted anew.
    return list(map(copy, transformers)), net._as_it_stands()
