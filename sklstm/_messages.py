"""Whom errors and warnings speak to, and of what."""

import re
import sys
import warnings
from contextlib import contextmanager
from types import FrameType

# What stands between the line that a user wrote and this package.
_BETWEEN = {"joblib", "sklearn", "sklstm"}


def warn_user(message, category=UserWarning):
    """Warn at the user's own line, if it is in this process, through pipelines and searches."""
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def follows_a_transformer():
    """Whether a pipeline calls that has a transformer: what it hands on is not the user's table."""
    from sklearn.pipeline import Pipeline

    frame: FrameType | None = sys._getframe()
    while frame is not None:
        caller, frame = frame.f_locals.get("self"), frame.f_back
        if isinstance(caller, Pipeline):
            before = [step for _, step in caller.steps[:-1]]
            if any(step is not None and not isinstance(step, str) for step in before):
                return True
    return False


@contextmanager
def speaking_of(name):
    """Let errors about X or y, whoever raises them, speak of `name`: X_val or y_val.

    Where else they say X, it may be the user's own word: a column, a label.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        short = name.split("_")[0]
        message = re.sub(rf"(?<!\S)(Input )?{short}(?=\[\d+\])", rf"\1{name}", str(error))
        message = re.sub(rf"^(Input )?{short}\b", lambda m: (m[1] or "") + name, message)
        raise type(error)(message if name in message else f"{name}: {message}") from error
