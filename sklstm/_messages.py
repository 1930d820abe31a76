"""Whom errors and warnings speak to, and of what."""

import re
import sys
import warnings
from contextlib import contextmanager
from types import FrameType

# What stands between the line that a user wrote and this package.
_BETWEEN = {"joblib", "sklearn", "sklstm"}
# Actions of a filter that show a warning once at a line, and where that was done.
_ONCE = {"default", "module", "once"}
_SAID: set[tuple] = set()


def warn_user(message, category=UserWarning, *, once=False):
    """Warn at the user's own line, if it is in this process, through pipelines and searches.

    Python forgets which lines have warned whenever filters change, as they do for a moment in each
    of scikit-learn's checks. With `once` it is remembered here.
    """
    level = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    if not (once and _was_said(message, category, frame)):
        warnings.warn(message, category, stacklevel=level)


def _was_said(message, category, frame):
    """Whether a line has warned of this before, and filters want that once; it now has."""
    file, line, module = "sys", 0, "sys"
    if frame is not None:
        file, line = frame.f_code.co_filename, frame.f_lineno
        module = frame.f_globals.get("__name__", "<string>")
    if _action(message, category, module, line) not in _ONCE:
        return False
    before = (message, file, line) in _SAID
    _SAID.add((message, file, line))
    return before


def _action(message, category, module, line):
    """What the filters say of a warning; the first that matches decides."""
    for action, text, kind, where, number in warnings.filters:
        is_meant = issubclass(category, kind) and number in (0, line)
        if is_meant and _matches(text, message) and _matches(where, module):
            return action
    return "default"


def _matches(pattern, text):
    # Python's own filter of a module is no pattern but a name.
    return pattern is None or (text == pattern if isinstance(pattern, str) else pattern.match(text))


def follows_a_transformer():
    """Whether a pipeline calls that has a transformer: what it hands on is not the user's table."""
    # Whoever calls from a pipeline has imported it. Here, an interrupt could break that off.
    pipeline = sys.modules.get("sklearn.pipeline")
    if pipeline is None:
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        caller, frame = frame.f_locals.get("self"), frame.f_back
        if isinstance(caller, pipeline.Pipeline):
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
