"""sample_weight and validation data through pipelines and searches, with routing on and off."""

import numpy as np
import pytest
import sklearn
from conftest import assert_same_bits, small_net, weights
from sklearn.base import clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FOLDS = KFold(2)
GRID = [0.0, 1.0]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(name="weight")
def sample_weight(y):
    return np.random.RandomState(0).uniform(0, 3, size=len(y))


def pipeline(net):
    return Pipeline([("scale", StandardScaler()), ("lstm", net)])


def scaled(X):
    return StandardScaler().fit_transform(X)


def assert_fitted_with(model, X, y, weight):
    """`model` is what a direct fit with these weights is, and not what one without them is."""
    direct = clone(model).fit(X, y, sample_weight=weight)
    assert_same_bits(weights(model), weights(direct))
    assert np.abs(weights(model) - weights(clone(model).fit(X, y))).max() > 1e-4


class RecordingScorer:
    """Scores by R2, and keeps the weights of each net that it is given."""

    def __init__(self):
        self.seen = []

    def __call__(self, model, X, y, sample_weight=None):
        self.seen.append(weights(model["lstm"] if isinstance(model, Pipeline) else model))
        return model.score(X, y)


def search(model, parameter):
    """A search over `GRID`, and the scorer that records its nets."""
    scorer = RecordingScorer()
    return GridSearchCV(model, {parameter: GRID}, cv=FOLDS, scoring=scorer), scorer


def weights_by_hand(X, y, weight, *, scale=False):
    """The nets of each candidate and fold, by direct fits."""
    return [
        weights(
            small_net(alpha=alpha).fit(
                scaled(X[train]) if scale else X[train], y[train], sample_weight=weight[train]
            )
        )
        for alpha in GRID
        for train, _ in FOLDS.split(X)
    ]


# --- Routing off ----------------------------------------------------------------------------


def test_weights_reach_the_fit_in_a_pipeline(X, y, weight):
    model = pipeline(small_net()).fit(X, y, lstm__sample_weight=weight)
    assert_fitted_with(model["lstm"], scaled(X), y, weight)


def test_weights_reach_each_fit_of_a_grid_search(X, y, weight):
    searched, scorer = search(small_net(), "alpha")
    searched.fit(X, y, sample_weight=weight)
    assert_same_bits(scorer.seen, weights_by_hand(X, y, weight))
    assert_fitted_with(searched.best_estimator_, X, y, weight)


def test_weights_reach_each_fit_of_a_grid_search_over_a_pipeline(X, y, weight):
    searched, scorer = search(pipeline(small_net()), "lstm__alpha")
    searched.fit(X, y, lstm__sample_weight=weight)
    assert_same_bits(scorer.seen, weights_by_hand(X, y, weight, scale=True))
    assert_fitted_with(searched.best_estimator_["lstm"], scaled(X), y, weight)


# --- Routing on -----------------------------------------------------------------------------


@pytest.mark.usefixtures("routing")
def test_routed_weights_reach_the_fit_in_a_pipeline(X, y, weight):
    model = pipeline(small_net().set_fit_request(sample_weight=True))
    model["scale"].set_fit_request(sample_weight=False)
    model.fit(X, y, sample_weight=weight)
    assert_fitted_with(model["lstm"], scaled(X), y, weight)


@pytest.mark.usefixtures("routing")
def test_routed_weights_reach_each_fit_of_a_grid_search(X, y, weight):
    searched, scorer = search(small_net().set_fit_request(sample_weight=True), "alpha")
    searched.fit(X, y, sample_weight=weight)
    assert_same_bits(scorer.seen, weights_by_hand(X, y, weight))
    assert_fitted_with(searched.best_estimator_, X, y, weight)


@pytest.mark.usefixtures("routing")
def test_routed_weights_reach_each_fit_of_a_grid_search_over_a_pipeline(X, y, weight):
    model = pipeline(small_net().set_fit_request(sample_weight=True))
    model["scale"].set_fit_request(sample_weight=False)
    searched, scorer = search(model, "lstm__alpha")
    searched.fit(X, y, sample_weight=weight)
    assert_same_bits(scorer.seen, weights_by_hand(X, y, weight, scale=True))
    assert_fitted_with(searched.best_estimator_["lstm"], scaled(X), y, weight)


@pytest.mark.usefixtures("routing")
def test_routed_weights_reach_each_score(X, y, weight):
    net = small_net().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    searched = GridSearchCV(net, {"alpha": GRID}, cv=FOLDS).fit(X, y, sample_weight=weight)
    for fold, (train, test) in enumerate(FOLDS.split(X)):
        by_hand = small_net(alpha=GRID[0]).fit(X[train], y[train], sample_weight=weight[train])
        expected = by_hand.score(X[test], y[test], sample_weight=weight[test])
        assert searched.cv_results_[f"split{fold}_test_score"][0] == expected


@pytest.mark.usefixtures("routing")
def test_an_alias_is_followed(X, y, weight):
    model = pipeline(small_net().set_fit_request(sample_weight="importance"))
    model.fit(X, y, importance=weight)
    assert_fitted_with(model["lstm"], scaled(X), y, weight)


@pytest.mark.usefixtures("routing")
def test_weights_that_nobody_asked_for_are_refused(X, y, weight):
    model = pipeline(small_net())
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        model.fit(X, y, sample_weight=weight)


@pytest.mark.usefixtures("routing")
def test_weights_that_are_declined_do_not_reach_the_fit(X, y, weight):
    net = small_net().set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
    scores = cross_validate(
        net, X, y, cv=FOLDS, params={"sample_weight": weight}, return_estimator=True
    )
    for model, (train, _) in zip(scores["estimator"], FOLDS.split(X), strict=True):
        assert_same_bits(weights(model), weights(small_net().fit(X[train], y[train])))


@pytest.mark.usefixtures("routing")
def test_partial_fit_can_ask_for_weights_too(X, y, weight):
    net = small_net().set_partial_fit_request(sample_weight=True)
    requests = net.get_metadata_routing().partial_fit.requests
    assert requests == {"sample_weight": True}
    net.partial_fit(X, y, sample_weight=weight)
    assert np.abs(weights(net) - weights(small_net().partial_fit(X, y))).max() > 1e-4


@pytest.mark.usefixtures("routing")
def test_fit_takes_weights_and_validation_data_as_metadata():
    requests = small_net().get_metadata_routing().fit.requests
    assert requests.keys() == {"sample_weight", "X_val", "y_val"}


@pytest.mark.usefixtures("routing")
def test_weights_and_validation_data_are_routed_together_in_a_search(X, y, weight):
    # Each fit of the search watches the same later rows, scaled as its own training rows.
    X, X_val, y, y_val, weight = X[:30], X[30:], y[:30], y[30:], weight[:30]
    net = small_net().set_fit_request(sample_weight=True, X_val=True, y_val=True)
    model = Pipeline(
        [("scale", StandardScaler()), ("lstm", net)],
        transform_input=["X_val"],
    )
    model["scale"].set_fit_request(sample_weight=False)
    searched, _ = search(model, "lstm__alpha")
    searched.fit(X, y, sample_weight=weight, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    direct = clone(searched.best_estimator_["lstm"]).fit(
        scaler.transform(X), y, sample_weight=weight, X_val=scaler.transform(X_val), y_val=y_val
    )
    assert_same_bits(weights(searched.best_estimator_["lstm"]), weights(direct))
    assert_same_bits(searched.best_estimator_["lstm"].validation_scores_, direct.validation_scores_)
