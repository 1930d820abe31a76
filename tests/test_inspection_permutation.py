"""permutation_importance: scikit-learn's own on 2-D X, and a slow one elsewhere."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import assert_same_bits, ignores_convergence
from inspected import FEATURES, FORMS, STEPS, fitted, in_form, lengths_of, numbers
from sklearn import inspection
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer
from sklstm.inspection import permutation_importance

pytestmark = ignores_convergence
NAMES = "importances", "importances_mean", "importances_std"
for_each_way = pytest.mark.parametrize("by", ["feature", "timestep", "both"])
SHAPES = {"feature": (FEATURES,), "timestep": (STEPS,), "both": (STEPS, FEATURES)}


def table(n=60):
    X = np.random.RandomState(0).normal(size=(n, 4))
    return X, X[:, 1] - 2 * X[:, 3]


@pytest.mark.parametrize("kind", ["array", "list", "pandas", "polars"])
@pytest.mark.parametrize("n_timesteps", [None, 1])
@pytest.mark.parametrize("random_state", [0, np.random.RandomState(3)])
def test_on_a_table_it_is_scikit_learns(kind, n_timesteps, random_state):
    X, y = table()
    names = ["lag_4", "lag_3", "lag_2", "lag_1"]
    frames = {"pandas": pd.DataFrame, "polars": lambda X, columns: pl.DataFrame(X, columns)}
    data = frames[kind](X, columns=names) if kind in frames else X.tolist()
    data = X if kind == "array" else data
    model = LSTMRegressor(4, n_timesteps=n_timesteps, max_iter=5, random_state=0).fit(data, y)
    draws = np.random.RandomState(3) if random_state != 0 else 0
    reference = pd.DataFrame(X, columns=names) if kind in frames else X
    expected = inspection.permutation_importance(model, reference, y, random_state=draws)
    by = "timestep" if n_timesteps is None else "feature"
    draws = np.random.RandomState(3) if random_state != 0 else 0
    found = permutation_importance(model, data, y, by=by, random_state=draws)
    assert_same_bits([found[name] for name in NAMES], [expected[name] for name in NAMES])


def test_columns_keep_their_types_and_index():
    X, y = table()
    frame = pd.DataFrame(X, index=pd.date_range("2020", periods=60))
    frame = frame.rename(columns="step_{}".format).astype({"step_2": np.float32})
    seen = []

    def scorer(model, X, y):
        seen.append(X)
        return model.score(X, y)

    model = LSTMRegressor(4, max_iter=5, random_state=0).fit(frame, y)
    permutation_importance(model, frame, y, by="both", n_repeats=2, scoring=scorer)
    assert len(seen) == 1 + 4 * 2
    for each in seen:
        assert list(each.columns) == list(frame.columns)
        assert each.index.equals(frame.index)
        assert each.dtypes.equals(frame.dtypes)
        for name in frame:
            assert sorted(each[name]) == sorted(frame[name])


def slow(model, X, y, lengths, form, by, seed, n_repeats):
    """The same of 3-D numbers, one exchange at a time."""
    seed = np.random.RandomState(seed).randint(2**31)
    shape, n = SHAPES[by], len(X)
    importances = np.empty((*shape, n_repeats))
    for group in np.ndindex(shape):
        random_state, order = np.random.RandomState(seed), np.arange(n)
        origin = np.arange(n)
        for repeat in range(n_repeats):
            random_state.shuffle(order)
            origin = origin[order]
            moved = X.copy()
            for t in range(STEPS):
                to = [row for row in range(n) if lengths[row] > t]
                origins = [row for row in origin if lengths[row] > t]
                for k in range(FEATURES):
                    if {"feature": (k,), "timestep": (t,), "both": (t, k)}[by] == group:
                        moved[to, t, k] = X[origins, t, k]
            score = model.score(in_form(moved, form), y)
            importances[*group, repeat] = model.score(in_form(X, form), y) - score
    return importances


@pytest.mark.parametrize("form", FORMS)
@for_each_way
@pytest.mark.parametrize("transformers", [(), [StandardScaler()]])
def test_a_group_is_exchanged_among_the_sequences_that_have_it(form, by, transformers):
    model, X = fitted(form, transformers=transformers), numbers(20)
    y, given = X[:, 0, 0], in_form(X, form)
    found = permutation_importance(model, given, y, by=by, n_repeats=3, random_state=5)
    expected = slow(model, X, y, lengths_of(form, 20), form, by, 5, 3)
    assert_same_bits(found.importances, expected)
    np.testing.assert_allclose(found.importances_mean, expected.mean(axis=-1), rtol=1e-12)
    np.testing.assert_allclose(found.importances_std, expected.std(axis=-1), rtol=1e-12)
    assert found.importances_mean.shape == SHAPES[by]
    np.testing.assert_array_equal(
        np.concatenate([np.ravel(each) for each in given]),
        np.concatenate([np.ravel(each) for each in in_form(X, form)]),
    )


@for_each_way
def test_classes_and_outputs_of_steps_are_scored_too(by):
    X = numbers(20)
    model = fitted(estimator=LSTMClassifier)
    found = permutation_importance(model, X, model.predict(X), by=by, random_state=0)
    assert found.importances_mean.shape == SHAPES[by]
    model = fitted("list", pooling=None)
    X = in_form(X, "list")
    y = [x[:, 0] for x in X]
    found = permutation_importance(model, X, y, by=by, random_state=0)
    assert found.importances_mean.shape == SHAPES[by]


def test_several_scores_are_a_dictionary():
    X = numbers(20)
    scoring = ["r2", "neg_mean_absolute_error"]
    found = permutation_importance(
        fitted(), X, X[:, 0, 0], by="both", scoring=scoring, random_state=0
    )
    assert list(found) == scoring
    alone = permutation_importance(fitted(), X, X[:, 0, 0], by="both", scoring="r2", random_state=0)
    assert_same_bits(found["r2"].importances, alone.importances)
    assert alone.importances.shape == (STEPS, FEATURES, 5)


def test_what_there_is_not_is_refused_in_a_sentence():
    X, y = table()
    with pytest.raises(ValueError, match=r"by must be one of \['feature', 'timestep', 'both'\]"):
        permutation_importance(fitted(), numbers(), y[:9], by="column")
    with pytest.raises(ValueError, match="n_repeats"):
        permutation_importance(fitted(), numbers(), y[:9], n_repeats=0)
    with pytest.raises(TypeError, match="estimator must be"):
        permutation_importance(Ridge().fit(X, y), X, y)
    model = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(4, max_iter=2))
    with pytest.raises(ValueError, match="features"):
        permutation_importance(model.fit(X, y), numbers(), y[:9])
