"""LSTMRegressor works unchanged in scikit-learn's tools, and copies of all kinds keep its bits."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    ParameterSampler,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# What is computed twice from the same bits differs by the rounding of a mean or a score alone.
ROUNDING = {"rtol": 1e-12, "atol": 1e-12}


def score_of_each_fold(model, X, y, cv):
    """What cross-validation is, written out."""
    return [
        r2_score(y[test], clone(model).fit(X[train], y[train]).predict(X[test]))
        for train, test in cv.split(X)
    ]


# --- scikit-learn's tools -------------------------------------------------------------------


def test_pipeline_with_standard_scaler_fits_the_scaled_columns(X, y):
    pipeline = make_pipeline(StandardScaler(), small_net(n_timesteps=6)).fit(5 + 3 * X, y)
    scaled = StandardScaler().fit_transform(5 + 3 * X)
    by_hand = small_net(n_timesteps=6).fit(scaled, y)
    assert_same_bits(pipeline.predict(5 + 3 * X), by_hand.predict(scaled))
    assert pipeline.score(5 + 3 * X, y) == by_hand.score(scaled, y)


def test_grid_search_scores_each_candidate_and_refits_the_best(X, y):
    grid = {"hidden_layer_sizes": [2, (4, 3)], "n_timesteps": [6, 12]}
    search = GridSearchCV(small_net(), grid, cv=KFold(2)).fit(X, y)
    by_hand = [
        np.mean(score_of_each_fold(small_net(**candidate), X, y, KFold(2)))
        for candidate in search.cv_results_["params"]
    ]
    assert len(by_hand) == 4
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, **ROUNDING)
    assert search.best_params_ == search.cv_results_["params"][np.argmax(by_hand)]
    refitted = small_net(**search.best_params_).fit(X, y)
    assert_same_bits(search.predict(X), refitted.predict(X))


def test_randomized_search_scores_the_candidates_it_draws(X, y):
    space = {"learning_rate_init": loguniform(1e-3, 1e-1), "bidirectional": [False, True]}
    search = RandomizedSearchCV(small_net(), space, n_iter=3, cv=KFold(2), random_state=0)
    search.fit(X, y)
    drawn = list(ParameterSampler(space, n_iter=3, random_state=0))
    by_hand = [np.mean(score_of_each_fold(small_net(**p), X, y, KFold(2))) for p in drawn]
    assert search.cv_results_["params"] == drawn
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, **ROUNDING)
    assert_same_bits(
        weights(search.best_estimator_), weights(small_net(**search.best_params_).fit(X, y))
    )


def test_halving_grid_search_gives_the_surviving_candidates_more_epochs(X, y):
    search = HalvingGridSearchCV(
        small_net(), {"hidden_layer_sizes": [2, 4, 8]}, cv=KFold(2), factor=2,
        resource="max_iter", min_resources=2, max_resources=4, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert search.n_resources_ == [2, 4]
    assert search.n_candidates_ == [3, 2]
    by_hand = [
        np.mean(score_of_each_fold(small_net(**candidate), X, y, KFold(2)))
        for candidate in search.cv_results_["params"]
    ]
    assert_allclose(search.cv_results_["mean_test_score"], by_hand, **ROUNDING)
    assert search.best_estimator_.n_iter_ == 4
    assert_same_bits(search.predict(X), small_net(**search.best_params_).fit(X, y).predict(X))


def test_cross_val_score_is_the_score_of_each_fold(X3, y):
    scores = cross_val_score(small_net(), X3, y, cv=KFold(3))
    assert_allclose(scores, score_of_each_fold(small_net(), X3, y, KFold(3)), **ROUNDING)


def test_cross_val_predict_predicts_each_row_by_the_net_that_did_not_see_it(X3, y):
    by_hand = np.empty_like(y)
    for train, test in KFold(3).split(X3):
        by_hand[test] = small_net().fit(X3[train], y[train]).predict(X3[test])
    assert_same_bits(cross_val_predict(small_net(), X3, y, cv=KFold(3)), by_hand)


def test_learning_curve_scores_fits_on_growing_parts(X, y):
    sizes, train_scores, test_scores = learning_curve(
        small_net(), X, y, cv=KFold(2), train_sizes=[5, 20]
    )
    assert sizes.tolist() == [5, 20]
    for i, size in enumerate(sizes):
        for j, (train, test) in enumerate(KFold(2).split(X)):
            seen = train[:size]
            by_hand = small_net().fit(X[seen], y[seen])
            assert_allclose(train_scores[i, j], by_hand.score(X[seen], y[seen]), **ROUNDING)
            assert_allclose(test_scores[i, j], by_hand.score(X[test], y[test]), **ROUNDING)


def test_time_series_split_never_lets_a_fit_see_the_future(X, y):
    cv = TimeSeriesSplit(3)
    result = cross_validate(small_net(), X, y, cv=cv, return_estimator=True)
    assert_allclose(result["test_score"], score_of_each_fold(small_net(), X, y, cv), **ROUNDING)
    other_future = np.where(np.arange(len(y)) < 20, y, 1e3)
    again = cross_validate(small_net(), X, other_future, cv=cv, return_estimator=True)
    changed = [
        not np.array_equal(weights(before), weights(after))
        for before, after in zip(result["estimator"], again["estimator"], strict=True)
    ]
    # The three fits see the first 10, 20 and 30 rows.
    assert changed == [False, False, True]


def test_transformed_target_regressor_fits_the_transformed_target(X, y):
    target = np.exp(y)
    model = TransformedTargetRegressor(small_net(), func=np.log, inverse_func=np.exp)
    by_hand = small_net().fit(X, np.log(target))
    assert_allclose(model.fit(X, target).predict(X), np.exp(by_hand.predict(X)), **ROUNDING)


def test_voting_regressor_averages_its_members(X, y):
    members = [("small", small_net()), ("large", small_net(hidden_layer_sizes=8))]
    vote = VotingRegressor([*members, ("line", LinearRegression())], weights=[1, 2, 3]).fit(X, y)
    small, large = (clone(net).fit(X, y).predict(X) for _, net in members)
    line = LinearRegression().fit(X, y).predict(X)
    assert_allclose(vote.predict(X), (small + 2 * large + 3 * line) / 6, **ROUNDING)


def test_stacking_regressor_learns_from_predictions_on_unseen_rows(X, y):
    stack = StackingRegressor(
        [("net", small_net()), ("line", LinearRegression())], final_estimator=Ridge(), cv=KFold(3)
    ).fit(X, y)
    unseen = [cross_val_predict(e, X, y, cv=KFold(3)) for e in (small_net(), LinearRegression())]
    final = Ridge().fit(np.column_stack(unseen), y)
    seen = [e.fit(X, y).predict(X) for e in (small_net(), LinearRegression())]
    assert_allclose(stack.predict(X), final.predict(np.column_stack(seen)), **ROUNDING)


def test_bagging_regressor_averages_nets_of_different_seeds_and_rows(X, y):
    bag = BaggingRegressor(small_net(random_state=None), n_estimators=3, random_state=0).fit(X, y)
    nets = bag.estimators_
    assert_allclose(bag.predict(X), np.mean([net.predict(X) for net in nets], axis=0), **ROUNDING)
    assert len({net.random_state for net in nets}) == 3
    assert len({weights(net).tobytes() for net in nets}) == 3
    again = BaggingRegressor(small_net(random_state=None), n_estimators=3, random_state=0)
    assert_same_bits(again.fit(X, y).predict(X), bag.predict(X))


def test_adaboost_regressor_predicts_the_weighted_median_of_its_nets(X, y):
    boosted = AdaBoostRegressor(small_net(), n_estimators=3, random_state=0).fit(X, y)
    assert len(boosted.estimators_) == 3
    predictions = np.stack([net.predict(X) for net in boosted.estimators_], axis=1)
    share = boosted.estimator_weights_[:3] / boosted.estimator_weights_[:3].sum()
    for row, median in zip(predictions, boosted.predict(X), strict=True):
        assert median in row
        assert share[row < median].sum() <= 0.5
        assert share[row <= median].sum() >= 0.5


def test_multi_output_regressor_fits_one_net_for_each_column(X, y):
    targets = np.column_stack([y, -2 * y, y**2])
    model = MultiOutputRegressor(small_net()).fit(X, targets)
    by_hand = [small_net().fit(X, column).predict(X) for column in targets.T]
    assert_same_bits(model.predict(X), np.ascontiguousarray(np.column_stack(by_hand)))


def test_permutation_importance_finds_the_columns_that_matter(X):
    X = X.copy()
    X[:, 0] = 1.0
    y = X[:, 5]
    net = small_net(max_iter=60, alpha=0).fit(X, y)
    importance = permutation_importance(net, X, y, n_repeats=3, random_state=0)
    assert importance.importances_mean.shape == (12,)
    assert importance.importances_mean.argmax() == 5
    # A column of equal numbers is the same in any order, and so are the predictions' bits.
    assert_array_equal(importance.importances[0], 0.0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_two_jobs_give_the_bits_of_one(backend):
    # Large enough that a fit by itself would start a second thread.
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(96, 20)), rng.normal(size=96)
    net = LSTMRegressor(64, batch_size=48, max_iter=1, random_state=0)

    def search(n_jobs):
        with joblib.parallel_config(backend):
            return cross_validate(net, X, y, cv=KFold(4), n_jobs=n_jobs, return_estimator=True)

    alone, together = search(n_jobs=1), search(n_jobs=2)
    assert_same_bits(together["test_score"], alone["test_score"])
    for one, other in zip(together["estimator"], alone["estimator"], strict=True):
        assert_same_bits(vars(one), vars(other))


# --- Copies ---------------------------------------------------------------------------------


def test_clone_has_the_parameters_and_nothing_that_was_learned(X, y):
    model = small_net(hidden_layer_sizes=[4, 3], bidirectional=True).fit(X, y)
    twin = clone(model)
    assert vars(twin).keys() == twin.get_params().keys()
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        twin.predict(X)
    assert_same_bits(vars(twin.fit(X, y)), vars(model))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_every_bit(X, y, protocol):
    model = small_net(hidden_layer_sizes=(4, 3), bidirectional=True).fit(X, y)
    loaded = pickle.loads(pickle.dumps(model, protocol))
    assert_same_bits(vars(loaded), vars(model))
    assert_same_bits(loaded.predict(X), model.predict(X))


def test_pickle_of_an_unfitted_model_can_be_fitted(X, y):
    loaded = pickle.loads(pickle.dumps(small_net()))
    assert_same_bits(weights(loaded.fit(X, y)), weights(small_net().fit(X, y)))


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_joblib_keeps_every_bit_also_memory_mapped(X, y, tmp_path, mmap_mode):
    path = tmp_path / "model.joblib"
    model = small_net(warm_start=True).fit(X, y)
    joblib.dump(model, path)
    loaded = joblib.load(path, mmap_mode=mmap_mode)
    assert_same_bits(weights(loaded), weights(model))
    assert_same_bits(loaded.predict(X), model.predict(X))
    assert_same_bits(loaded.predict(X.astype(np.float32)), model.predict(X.astype(np.float32)))
    # Training goes on from the file, and leaves it as it is.
    content = path.read_bytes()
    assert_same_bits(weights(loaded.fit(X, y)), weights(copy.deepcopy(model).fit(X, y)))
    assert path.read_bytes() == content


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy])
def test_a_copy_predicts_the_same_and_its_next_fit_leaves_the_original_alone(X, y, duplicate):
    model = small_net(warm_start=True).fit(X, y)
    prediction, before = model.predict(X), copy.deepcopy(vars(model))
    twin = duplicate(model)
    assert_same_bits(twin.predict(X), prediction)
    twin.fit(X, -y)
    assert_same_bits(vars(model), before)
    assert not np.array_equal(twin.predict(X), prediction)


def test_set_params_counts_from_the_next_fit_on(X, y):
    changes = {"hidden_layer_sizes": (3, 2), "bidirectional": True, "pooling": "mean"}
    model = small_net().fit(X, y)
    prediction = model.predict(X)
    assert model.set_params(**changes) is model
    assert_same_bits(model.predict(X), prediction)
    assert_same_bits(vars(model.fit(X, y)), vars(small_net(**changes).fit(X, y)))


def test_set_params_reaches_a_net_inside_a_pipeline(X, y):
    pipeline = make_pipeline(StandardScaler(), small_net())
    pipeline.set_params(lstmregressor__hidden_layer_sizes=7).fit(X, y)
    assert pipeline[-1].recurrent_weights_[0].shape == (28, 7)


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_tags_say_that_x_may_be_2d_and_3d(estimator):
    tags = get_tags(estimator()).input_tags
    assert tags.two_d_array
    assert tags.three_d_array
