"""Fitted attributes: their meaning."""

import pytest
from conftest import small_net
from sklearn.neural_network import MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_histories_are_mlp_regressors(X, y):
    for early_stopping in (False, True):
        model = small_net(early_stopping=early_stopping, max_iter=5).fit(X, y)
        peer = MLPRegressor(
            hidden_layer_sizes=4,
            early_stopping=early_stopping,
            max_iter=5,
            batch_size=16,
            random_state=0,
        ).fit(X, y)
        for name in ("loss_curve_", "validation_scores_"):
            ours, theirs = getattr(model, name), getattr(peer, name)
            assert type(ours) is type(theirs)
            if theirs is not None:
                assert len(ours) == len(theirs)
        assert (model.best_validation_score_ is None) == (peer.best_validation_score_ is None)
        assert (model.n_iter_, model.t_) == (peer.n_iter_, peer.t_)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_attributes_sum_up_the_curves(X, y, solver):
    model = small_net(solver=solver, early_stopping=True, learning_rate_init=0.3, max_iter=8)
    model.fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_)
    assert model.loss_ == model.loss_curve_[-1]
    assert model.best_loss_ == min(model.loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == model.n_iter_ * 36
