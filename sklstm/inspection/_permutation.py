"""What the score of a model loses when a feature, or a time step, is shuffled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import Bunch

from sklstm._forms import ANY_NUMBERS, Expected, read_form
from sklstm._machine.undisturbed import interrupts_held_back
from sklstm._parts import take_apart
from sklstm._sequences import steps_before_padding
from sklstm._typing import SequencesLike

# The axes of (n_timesteps, n_features) that are told apart.
_GROUPS = {"feature": (False, True), "timestep": (True, False), "both": (True, True)}


def permutation_importance(
    estimator: Any,
    X: SequencesLike,
    y: ArrayLike,
    *,
    by: str = "feature",
    n_repeats: int = 5,
    random_state: int | np.random.RandomState | None = None,
    scoring: Any = None,
) -> Any:
    """What the score of a fitted model loses when a feature, or a time step, is shuffled.

    What is shuffled is exchanged among the sequences, so that it keeps its distribution but tells
    nothing of y [1]_. `sklearn.inspection.permutation_importance` draws and scores; it shuffles a
    column, this function a feature with all its steps, a step with all its features, or one number.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        Fitted; or a pipeline of `TimestepTransformer` and one.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.score` takes; a data frame stays one. Of
        sequences with different lengths, those that have a step exchange it.
    y : array-like or list of array-like
        The targets, as of `estimator.score`.
    by : {"feature", "timestep", "both"}, default="feature"
        What is shuffled together: a feature at all steps, a step of all features, or one feature at
        one step.
    n_repeats : int, default=5
        How often each is shuffled.
    random_state : int, RandomState instance or None, default=None
        Draws the shuffles, the same for all that is shuffled.
    scoring : str, callable, list, tuple or dict, default=None
        What is scored, as of scikit-learn's function; None: `estimator.score`.

    Returns
    -------
    result : Bunch, or dict of Bunch for several scores
        `importances` of shape (n_features, n_repeats), (n_timesteps, n_repeats) or (n_timesteps,
        n_features, n_repeats): the score of X minus that of X shuffled; `importances_mean` and
        `importances_std`, without the last axis.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, or X, y or a parameter cannot be read.

    See Also
    --------
    integrated_gradients : What each number has contributed to one prediction.

    References
    ----------
    .. [1] Breiman (2001), Random forests. Machine Learning 45(1).

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import permutation_importance
    >>> X = np.random.RandomState(0).normal(size=(300, 6, 2))
    >>> y = X[:, -1, 1]
    >>> model = LSTMRegressor(8, learning_rate_init=0.01, max_iter=30, tol=0, random_state=0)
    >>> result = permutation_importance(model.fit(X, y), X, y, random_state=0)
    >>> print(result.importances_mean.round())
    [0. 2.]
    >>> by_step = permutation_importance(model, X, y, by="timestep", random_state=0)
    >>> int(by_step.importances_mean.argmax())
    5
    """
    # Imported here, since they take as long as all of sklstm.
    with interrupts_held_back():
        from sklearn.inspection import permutation_importance as of_columns
        from sklearn.metrics import check_scoring

    if not isinstance(by, str) or by not in _GROUPS:
        raise ValueError(f"by must be one of {list(_GROUPS)}, got {by!r}.")
    shuffled = _read(estimator, X, by)
    scorer = check_scoring(estimator, scoring=scoring)
    n_samples, shape = len(shuffled.lengths), shuffled.shape
    # Each group is a column that says from which sequence it is taken.
    origins = np.repeat(np.arange(n_samples)[:, np.newaxis], np.prod(shape), axis=1)
    result = of_columns(
        estimator, origins, y, scoring=_Scorer(scorer, shuffled), n_repeats=n_repeats,
        random_state=random_state,
    )  # fmt: skip
    if isinstance(result, Bunch):
        return _shaped(result, shape)
    return {name: _shaped(each, shape) for name, each in result.items()}


def _shaped(result, shape):
    return Bunch(
        **{name: array.reshape(*shape, *array.shape[1:]) for name, array in result.items()}
    )


@dataclass(frozen=True, eq=False)
class _Scorer:
    """The score of X whose groups are taken from other sequences."""

    scorer: Any
    shuffled: Any

    def __call__(self, estimator, origins, y):
        return self.scorer(estimator, self.shuffled.taken_from(origins), y)


@dataclass(frozen=True, eq=False)
class _Shuffled:
    """X, with groups of numbers that are exchanged among sequences.

    Parameters
    ----------
    X : object
        As it was given.
    arrays : ndarray of shape (n_samples, n_timesteps, n_features), or list of ndarray
    lengths : ndarray of int, of shape (n_samples,)
    from_2d : bool
        Whether X was a row of columns for each sequence.
    by : str
    """

    X: Any
    arrays: Any
    lengths: np.ndarray
    from_2d: bool
    by: str

    @property
    def shape(self):
        """Of the groups."""
        n_features = self.arrays[0].shape[-1]
        sizes = zip((int(self.lengths.max()), n_features), _GROUPS[self.by], strict=True)
        return tuple(size for size, apart in sizes if apart)

    def taken_from(self, origins):
        """X, each group taken from the sequences that a column of `origins` says."""
        moved = (origins != np.arange(len(origins))[:, np.newaxis]).any(axis=0)
        if not moved.any():
            return self.X
        return self._exchanged([(group, origins[:, group]) for group in np.flatnonzero(moved)])

    def _exchanged(self, groups):
        is_list = type(self.arrays) is list
        result: Any = [array.copy() for array in self.arrays] if is_list else self.arrays.copy()
        for group, origin in groups:
            steps, features = self._place(group)
            if not is_list and self.lengths.min() == self.arrays.shape[1]:
                result[:, steps, features] = self.arrays[origin][:, steps, features]
                continue
            for step in range(self.lengths.max())[steps]:
                # Those that have the step exchange it, in the order of the shuffle.
                here = np.flatnonzero(self.lengths > step)
                for row, source in zip(here, origin[self.lengths[origin] > step], strict=True):
                    result[row][step, features] = self.arrays[source][step, features]
        if not self.from_2d:
            return result
        changed = np.zeros(self.arrays.shape[1:], dtype=bool)
        for group, _ in groups:
            changed[self._place(group)] = True
        return _in_frame(self.X, result.reshape(len(result), -1), changed.ravel())

    def _place(self, group):
        """The steps and the features of a group."""
        everything = slice(None)
        if self.by == "both":
            step, feature = divmod(int(group), self.shape[1])
            return slice(step, step + 1), slice(feature, feature + 1)
        own = slice(int(group), int(group) + 1)
        return (everything, own) if self.by == "feature" else (own, everything)


def _in_frame(X, numbers, changed):
    """Numbers in a data frame, if X is one, with its names and the types of its columns."""
    if hasattr(X, "isetitem"):  # of pandas
        frame = X.copy()
        for column in np.flatnonzero(changed):
            dtype = X.dtypes.iloc[column]
            frame.isetitem(column, type(X.iloc[:, column])(numbers[:, column], X.index, dtype))
        return frame
    if hasattr(X, "with_columns"):  # of polars
        series = X.get_columns()
        return X.with_columns(
            [
                type(series[column])(series[column].name, numbers[:, column]).cast(
                    series[column].dtype
                )
                for column in np.flatnonzero(changed)
            ]
        )
    return numbers


def _read(estimator, X, by):
    transformers, net = take_apart(estimator, "estimator")
    first = (*transformers, net)[0]
    form = read_form(X, Expected(first, first.n_timesteps, ANY_NUMBERS, in_fit=False))
    if type(form.source) is list:
        lengths = np.array([len(array) for array in form.source])
    elif form.from_2d:
        lengths = np.full(len(form), form.n_timesteps)
    else:
        lengths = steps_before_padding(form.source)
    return _Shuffled(X, form.source, lengths, form.from_2d, by)
