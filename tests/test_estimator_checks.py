"""scikit-learn's own checks: all of them, with none expected to fail."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import LSTMClassifier, LSTMRegressor

# Few steps: rounding, which is all that tells integer weights from repeated rows, grows with them.
SMALL = {"hidden_layer_sizes": 16, "learning_rate_init": 0.02, "max_iter": 30}
TWO_LAYERS = SMALL | {"hidden_layer_sizes": (12, 8)}
BIDIRECTIONAL = SMALL | {"bidirectional": True, "pooling": "mean"}


@parametrize_with_checks(
    [
        estimator(**parameters)
        for estimator in (LSTMRegressor, LSTMClassifier)
        for parameters in (SMALL, TWO_LAYERS, BIDIRECTIONAL, SMALL | {"n_timesteps": 1})
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
