"""Transformers of scikit-learn at work on the time steps of sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils._set_output import ADAPTERS_MANAGER, _get_output_config
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_consistent_length,
    check_is_fitted,
)

from sklstm._forms import ANY_NUMBERS, Expected, Form, read_form
from sklstm._numbers import refuse_hidden
from sklstm._sequences import check_n_timesteps, steps_before_padding
from sklstm._typing import SequencesLike, keeps_type


def _inner_has(method):
    """Check that the inner transformer has a method, the fitted one if there is one."""

    def check(self):
        getattr(getattr(self, "transformer_", self.transformer), method)
        return True

    return check


# scikit-learn's own set_output would put sequences into data frames too.
class TimestepTransformer(  # type: ignore[call-arg]
    TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Apply a transformer to each time step of sequences.

    The time steps of all sequences, one below the other, are the rows that the transformer is
    fitted on and transforms. X comes back in the form it was given in.

    Parameters
    ----------
    transformer : transformer
        Any transformer of numbers: StandardScaler, PCA, SimpleImputer, a ColumnTransformer of
        columns given by position, a Pipeline of these. It is cloned.
    n_timesteps : int, default=None
        How to read 2-D X, as in `LSTMRegressor`. None: every column is one time step of one
        feature. An int: a row is `n_timesteps` blocks of features, as of
        `row.reshape(n_timesteps, -1)`.

    Attributes
    ----------
    transformer_ : transformer
        The fitted transformer.
    n_features_in_ : int
        Columns of 2-D X, or features of a time step of other X, seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns; only if X was 2-D and had string names for all.
    n_timesteps_ : int or None
        Steps of the sequences seen in fit; None if they came in a list or their lengths vary.

    See Also
    --------
    sklstm.LSTMRegressor : Regression on sequences of the same forms.

    Notes
    -----
    X may be 2-D; 3-D of shape (n_samples, n_timesteps, n_features); 3-D with sequences that are
    padded at their ends with steps of NaN alone; or a list, or an array of objects, of arrays of
    shape (n_timesteps_i, n_features). These forms come out as they came in, but for the array of
    objects, which comes out as a list. Padding is not shown to the transformer, and is NaN in the
    output; any other NaN is the transformer's to accept or refuse.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm import LSTMRegressor
    >>> from sklstm import TimestepTransformer
    >>> X = 100 + 20 * np.random.RandomState(0).normal(size=(50, 8, 3))
    >>> Z = TimestepTransformer(StandardScaler()).fit_transform(X)
    >>> Z.shape, np.allclose(Z.mean(axis=(0, 1)), 0), np.allclose(Z.std(axis=(0, 1)), 1)
    ((50, 8, 3), True, True)
    >>> model = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(tol=1e-3))
    >>> model.fit(X, X[:, 0, 0]).predict(X).shape
    (50,)
    """

    transformer_: Any
    n_features_in_: int
    feature_names_in_: NDArray[Any]
    n_timesteps_: int | None
    _fitted_on_2d: bool
    _parameter_constraints: dict = {
        "transformer": [HasMethods(["fit", "fit_transform", "transform"])],
        "n_timesteps": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, transformer: Any, *, n_timesteps: int | None = None) -> None:
        self.transformer = transformer
        self.n_timesteps = n_timesteps

    @keeps_type(_fit_context(prefer_skip_nested_validation=False))
    def fit(self, X: SequencesLike, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Fit the transformer to the time steps of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), \
                or list of array-like of shape (n_timesteps_i, n_features)
            The sequences.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, for a transformer that uses them; repeated for each step of a sequence. Of
            sequences of different lengths also a list with a target for each step.
        **fit_params : dict
            Parameters of the transformer's `fit`, such as `sample_weight`. Arrays have one entry a
            sample, which is repeated for each step; what is None is not passed on.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If X cannot be read, or the transformer refuses it. This object is left as it was.
        """
        self._fit("fit", X, y, fit_params)
        return self

    # No type says that X comes back in the form it was given in, or in that of set_output.
    @keeps_type(_fit_context(prefer_skip_nested_validation=False))
    def fit_transform(self, X: SequencesLike, y: ArrayLike | None = None, **fit_params: Any) -> Any:
        """Fit the transformer to the time steps of X, and transform these.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets, as in `fit`.
        **fit_params : dict
            Parameters of the transformer's `fit_transform`, as in `fit`.

        Returns
        -------
        X_new : array-like or list of ndarray
            The transformed sequences, in the form of X.
        """
        steps, transformed = self._fit("fit_transform", X, y, fit_params)
        return self._as_given(steps, transformed, X)

    def transform(self, X: SequencesLike) -> Any:
        """Transform each time step.

        Parameters
        ----------
        X : array-like or list of array-like
            The sequences, in any form that `fit` takes, with the features seen in `fit`.

        Returns
        -------
        X_new : array-like or list of ndarray
            The transformed sequences, in the form of X.
        """
        check_is_fitted(self)
        steps = self._read(
            X, n_timesteps=self.n_timesteps, in_fit=False, same_columns=self._fitted_on_2d
        )
        n_features = steps.form.n_features
        if n_features != self._n_step_features:
            raise ValueError(
                f"X has {n_features} features, but {type(self).__name__} is expecting "
                f"{self._n_step_features} features as input."
            )
        rows = self._transform_rows(steps.rows)
        return self._as_given(steps, rows, X)

    def _transform_rows(self, rows):
        """Transform rows that are one step of a sequence each; none of them is padding."""
        return _a_row_a_step(self.transformer_, len(rows), self.transformer_.transform(rows))

    @keeps_type(available_if(_inner_has("inverse_transform")))
    def inverse_transform(self, X: SequencesLike) -> Any:
        """Undo the transformation of each time step.

        Parameters
        ----------
        X : array-like or list of array-like
            Transformed sequences, in any form that `transform` returns.

        Returns
        -------
        X_original : ndarray or list of ndarray
            The sequences, in the form of X.
        """
        check_is_fitted(self)
        n_timesteps = self.n_timesteps_ if self._fitted_on_2d else self.n_timesteps
        steps = self._read(X, n_timesteps=n_timesteps, in_fit=False)
        rows = self.transformer_.inverse_transform(steps.rows)
        return steps.restore(_a_row_a_step(self.transformer_, len(steps.rows), rows))

    @keeps_type(available_if(_inner_has("get_feature_names_out")))
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Names of the transformed features.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of 2-D X, or of the features of a time step. None: those seen in
            `fit`, or x0, x1 and so on.

        Returns
        -------
        names : ndarray of str
            If `fit` saw 2-D X, a name a column: t0_x0, t0_x1 and so on, where x0 is what the
            transformer calls a feature. Columns that were named keep their names, if the
            transformer keeps the features. Otherwise a name a feature, as the transformer calls it.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if not self._fitted_on_2d:
            return self.transformer_.get_feature_names_out(names)
        named = input_features is not None or hasattr(self, "feature_names_in_")
        return self._column_names(self.n_timesteps_, names if named else None)

    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Choose the container that 2-D X is returned in; sequences stay arrays and lists.

        It has no effect either if the transformer cannot name its features.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            The container of the output of `transform` and `fit_transform`. None: as it was.

        Returns
        -------
        self : object
            The transformer.
        """
        if transform is not None:
            # Under this name scikit-learn looks for it, and clones it.
            self._sklearn_output_config = {"transform": transform}
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which parameters go to the transformer.

        Returns
        -------
        routing : MetadataRouter
            Hands those of `fit` and `fit_transform` to the same method of the transformer.
        """
        mapping = MethodMapping()
        for method in ("fit", "fit_transform"):
            mapping.add(caller=method, callee=method)
        return MetadataRouter(owner=self).add(transformer=self.transformer, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags, inner = super().__sklearn_tags__(), get_tags(self.transformer)
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = inner.input_tags.allow_nan or inner.no_validation
        tags.input_tags.positive_only = inner.input_tags.positive_only
        tags.target_tags.required = inner.target_tags.required
        tags.non_deterministic = inner.non_deterministic
        if inner.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = inner.transformer_tags.preserves_dtype
        return tags

    def _fit(self, method, X, y, fit_params):
        """Fit a clone by `fit` or `fit_transform`; the steps of X, and what the method returned."""
        steps = self._read(X, n_timesteps=self.n_timesteps)
        if _routing_enabled():
            fit_params = process_routing(self, method, **fit_params)["transformer"][method]
        for name, values in {"y": y, **fit_params}.items():
            refuse_hidden(values, name)
        y = _for_each_step(y, steps.lengths)
        fit_params = {
            name: _for_each_step(value, steps.lengths)
            for name, value in fit_params.items()
            if value is not None
        }
        transformer = clone(self.transformer)
        returned = getattr(transformer, method)(steps.rows, y, **fit_params)
        if method == "fit_transform":
            returned = _a_row_a_step(transformer, len(steps.rows), returned)
        # Not before all has gone well: a call that fails changes nothing.
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(
            steps.form.columns, transformer_=transformer, n_timesteps_=steps.n_timesteps,
            _n_step_features=steps.form.n_features, _fitted_on_2d=steps.form.from_2d,
        )  # fmt: skip
        return steps, returned

    def _read(self, X, **expected):
        """The steps of X, which may hold any numbers."""
        form = read_form(X, Expected(self, dtype=ANY_NUMBERS, **expected))
        steps = _steps_of(form)
        if not form.from_2d:
            check_n_timesteps(steps.lengths, self.n_timesteps, type(self).__name__)
        return steps

    def _as_given(self, steps, rows, X):
        """Transformed rows in the form that X had."""
        result = steps.restore(rows)
        container = _get_output_config("transform", self)["dense"]
        has_names = steps.form.from_2d and hasattr(self, "get_feature_names_out")
        if container == "default" or not has_names:
            return result
        names = self._column_names(steps.n_timesteps, getattr(self, "feature_names_in_", None))
        return ADAPTERS_MANAGER.adapters[container].create_container(result, X, columns=names)

    def _column_names(self, n_timesteps, names_in):
        features = np.array([f"x{i}" for i in range(self._n_step_features)], dtype=object)
        names = self.transformer_.get_feature_names_out(features)
        if names_in is not None and np.array_equal(names, features):
            return names_in
        return np.array([f"t{t}_{name}" for t in range(n_timesteps) for name in names], object)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The time steps of some sequences, one below the other.

    Parameters
    ----------
    form : Form
        As they were given.
    rows : ndarray of shape (n_steps, n_features)
    lengths : ndarray of shape (n_samples,)
        How many of the rows are of each sequence.
    restore : callable
        Gives as many rows, of any features, the form that the sequences came in.
    """

    form: Form
    rows: np.ndarray
    lengths: np.ndarray
    restore: Callable

    @property
    def n_timesteps(self):
        """Steps of each sequence; None if they came in a list or their lengths vary."""
        all_steps = self.form.n_timesteps
        return None if all_steps is None or (self.lengths != all_steps).any() else all_steps


def _steps_of(form):
    if form.n_timesteps is None:
        return _from_list(form)
    X, (n_samples, n_timesteps, n_features) = form.source, form.source.shape
    # 2-D X has sequences of one length: what is missing at its end is missing.
    lengths = np.full(n_samples, n_timesteps) if form.from_2d else steps_before_padding(X)
    real = np.arange(n_timesteps) < lengths[:, np.newaxis]
    if not real.all():
        return _Steps(form, X[real], lengths, lambda rows: _padded(rows, real))
    shape = (n_samples, -1) if form.from_2d else (n_samples, n_timesteps, -1)
    return _Steps(form, X.reshape(-1, n_features), lengths, lambda rows: rows.reshape(shape))


def _padded(rows, real):
    """Rows where `real` is, and NaN elsewhere."""
    dtype = np.promote_types(rows.dtype, np.float32)
    padded = np.full((*real.shape, rows.shape[1]), np.nan, dtype)
    padded[real] = rows
    return padded


def _from_list(form):
    lengths = np.array([len(sequence) for sequence in form.source])
    ends = np.cumsum(lengths)[:-1]
    rows = np.ascontiguousarray(np.concatenate(form.source))
    return _Steps(form, rows, lengths, lambda rows: np.split(rows, ends))


def _for_each_step(values, lengths):
    """One entry a sample, repeated for each of its steps; a single value as it is.

    Those of a list that is as ragged as the sequences are one a step already.
    """
    in_an_array = isinstance(values, np.ndarray) and values.dtype == object
    if in_an_array or isinstance(values, list | tuple):
        own = [len(part) if np.ndim(part) else 0 for part in values if not np.isscalar(part)]
        if len(set(own)) > 1 and own == lengths.tolist():
            return np.concatenate([np.asarray(part) for part in values])
    entries = np.asarray(values)
    if entries.ndim == 0:
        return values
    check_consistent_length(lengths, entries)
    return np.repeat(entries, lengths, axis=0)


def _a_row_a_step(transformer, n_steps, rows):
    """What a transformer returned, as an array; refused unless it has a row for each step."""
    rows = rows.toarray() if issparse(rows) else np.asarray(rows)
    if len(rows) != n_steps:
        raise ValueError(
            f"transformer={type(transformer).__name__} was given {n_steps} rows, one for "
            f"each time step, and returned {len(rows)}: add or remove steps before "
            f"TimestepTransformer."
        )
    return rows
