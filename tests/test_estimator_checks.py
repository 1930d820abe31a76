"""scikit-learn's own checks: all of them, with none expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import LSTMRegressor

SMALL = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "max_iter": 60}


@parametrize_with_checks(
    [
        LSTMRegressor(**SMALL),
        LSTMRegressor(**SMALL | {"hidden_layer_sizes": (12, 8)}),
        LSTMRegressor(**SMALL, bidirectional=True, pooling="mean"),
        LSTMRegressor(**SMALL, n_timesteps=1),
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
