"""Callbacks for long fits, in scikit-learn's protocol, which there is from its version 1.9 on."""

import glob
import os
import pickle
import stat
import time
import uuid
from contextlib import suppress
from numbers import Integral
from pathlib import Path
from typing import Any

from sklstm._base import BaseLSTM
from sklstm._callbacks import THERE_ARE_CALLBACKS
from sklstm._messages import warn_user

__all__ = ["Checkpoint"]

# What is being written, beside the file that it will replace.
_SUFFIX = ".part"
# Seconds after which nobody writes it any more: who began was killed.
_LEFT_BEHIND = 600


class Checkpoint:
    """Keeps a fit in a file, so that it can go on after it was killed.

    Every so many epochs, and when the fit has ended, `joblib.load` makes of the file an estimator,
    fitted so far: of an epoch its weights, of a fit that has ended those that it keeps. The file is
    written whole or not at all: beside it, then put in its place. If that fails, for example as
    the disk is full, a warning says so once a fit, and training goes on. A link stays one: what it
    points at is replaced.

    With `resume`, `fit` goes on from the file, if there is one. It then ends with the bits of the
    fit that was not killed: weights, loss curves, all. So the same lines are run again, and again.
    A fit that has ended trains no more, unless `max_iter` is larger now.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Each fit needs one of its own. A relative path is one in the folder of now. It is
        a pickle: go on from none that you do not trust.
    every : int, default=1
        It is written after each so many epochs, as `n_iter_` counts them.
    resume : bool, default=False
        Whether to go on from the file. Parameters must be the same, but for `max_iter` and
        `verbose`; so must be shapes, types, and numbers of the data, of which some are compared.
        False: a file that is there is replaced.

    Raises
    ------
    ImportError
        Before scikit-learn 1.9, which has no callbacks.
    ValueError
        If `every` is no positive integer. By `fit`, with `resume`: if the file is of another fit,
        which a sentence says, or cannot be gone on from, or if the solver is "lbfgs", whose state
        scipy keeps to itself. By `partial_fit`, with `resume`.
    TypeError
        By `fit`, if the callback is set on another estimator than one of sklstm.

    References
    ----------
    Files are replaced as in: T. S. Pillai et al., "All file systems are not created equal", OSDI,
    2014, pp. 433-448.

    Examples
    --------
    The first fit stands for one that was killed after its second epoch:

    >>> import tempfile
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.callbacks import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(60, 8))
    >>> path = tempfile.mkdtemp() + "/model.joblib"
    >>> settings = dict(random_state=0, n_iter_no_change=np.inf)
    >>> for max_iter in 2, 6:  # doctest: +SKIP
    ...     model = LSTMRegressor(8, max_iter=max_iter, **settings)
    ...     model = model.set_callbacks(Checkpoint(path, resume=True)).fit(X, X[:, -1])
    >>> at_once = LSTMRegressor(8, max_iter=6, **settings).fit(X, X[:, -1])
    >>> model.loss_curve_ == at_once.loss_curve_  # doctest: +SKIP
    True
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1, resume: bool = False) -> None:
        if not THERE_ARE_CALLBACKS:
            raise ImportError(
                "Checkpoint needs the callbacks of scikit-learn 1.9: "
                'pip install "scikit-learn>=1.9".'
            )
        given: Any = every
        if not isinstance(given, Integral) or given < 1:
            raise ValueError(f"every must be an integer of at least 1, got {every!r}.")
        # Of now: whoever changes the folder in the midst of a fit does not part it from its file.
        self.path = os.path.abspath(os.fsdecode(path))
        self.every, self.resume = int(every), bool(resume)
        self._has_warned = False

    def __repr__(self) -> str:
        return f"Checkpoint({self.path!r}, every={self.every}, resume={self.resume})"

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin a fit: what an earlier one has left half written is removed."""
        if not isinstance(estimator, BaseLSTM):
            raise TypeError(
                f"Checkpoint is a callback of the estimators of sklstm, got "
                f"{type(estimator).__name__}: set it on the net inside."
            )
        self._has_warned = False
        with suppress(OSError):
            self._remove_what_was_left_behind()

    def teardown(self, estimator: Any, context: Any) -> None:
        """End a fit."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Never stop a fit; what is written is not seen from here."""
        return False

    def _kept_fit(self):
        """What is needed to go on from the file, or None if there is none."""
        try:
            with open(self.path, "rb") as file:
                return pickle.load(file).__dict__.get("_standing", {})
        except FileNotFoundError:
            return None
        except OSError:
            raise
        except Exception as error:
            # A damaged pickle may raise anything.
            raise ValueError(
                f"{self.path} cannot be gone on from, it is no file of a Checkpoint: {error!r}. "
                "Name another file, or delete this one."
            ) from error

    def _keep_fit(self, model):
        """Put a model in the place of the file, or warn that it cannot be."""
        try:
            self._write(model)
        except Exception as error:
            # What a user has set on the estimator, or made a class of, may be no pickle.
            if not self._has_warned:
                self._has_warned = True
                reason = str(error) or repr(error)
                warn_user(f"{self.path} could not be written, training goes on: {reason}.")

    def _write(self, model):
        # Of a link, what it points at.
        path = os.path.realpath(self.path)
        part = f"{path}.{uuid.uuid4().hex}{_SUFFIX}"
        try:
            # Not by joblib, which would write an array twice where two names mean the same one.
            with open(part, "xb") as file:
                pickle.dump(model, file, protocol=5)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                # Who may read it is the user's to say.
                os.chmod(part, stat.S_IMODE(os.stat(path).st_mode))
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.remove(part)
            raise
        _sync_folder(path)

    def _remove_what_was_left_behind(self):
        path = Path(os.path.realpath(self.path))
        for part in path.parent.glob(f"{glob.escape(path.name)}.*{_SUFFIX}"):
            if time.time() - part.stat().st_mtime > _LEFT_BEHIND:
                part.unlink()


def _sync_folder(path):
    """Let the new name survive a loss of power, where the system can promise it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
