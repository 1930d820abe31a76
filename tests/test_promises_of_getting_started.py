"""What docs/user_guide/getting_started.md promises, of estimators as users construct them."""

import io
import os
import pickle
import platform
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = ignores_convergence

SERIES = np.sin(np.arange(120) / 5)
WINDOWS = np.lib.stride_tricks.sliding_window_view(SERIES, 21)
X, Y = WINDOWS[:, :20], WINDOWS[:, 20]
LABELS = np.where(X[:, -1] < Y, "up", "down")
for_both = pytest.mark.parametrize(
    ("estimator", "y"),
    [(LSTMRegressor, Y), (LSTMClassifier, LABELS)],
    ids=["regressor", "classifier"],
)


def all_outputs(model, X):
    names = "predict", "predict_proba", "decision_function"
    return [getattr(model, name)(X) for name in names if hasattr(model, name)]


def test_a_y_with_a_column_a_step_is_a_forecast_of_several_steps():
    model = LSTMRegressor().fit(WINDOWS[:, :15], WINDOWS[:, 15:])
    assert model.predict(WINDOWS[:7, :15]).shape == (7, 6)


@for_both
def test_training_ends_as_patience_or_max_iter_says(estimator, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What changes by less than this has not improved: the first epoch is the best.
        model = estimator(tol=10).fit(X, y)
    assert model.n_iter_ == 12  # one, ten, and one more
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        assert estimator(max_iter=3).fit(X, y).n_iter_ == 3


def test_the_loss_is_half_the_mean_squared_error_in_standardised_units_and_the_penalty():
    # All rows in one minibatch, and a step that changes nothing.
    still = {"batch_size": 200, "max_iter": 1, "learning_rate_init": 1e-15}
    y = 1000 + 50 * Y
    for alpha, penalty in ((0, 1e-9), (LSTMRegressor().alpha, 0.005)):
        model = LSTMRegressor(alpha=alpha, **still).fit(X, y)
        half = np.mean((model.predict(X) - y) ** 2) / y.var() / 2
        assert half - 1e-9 < model.loss_ < half + penalty
    # So that the mean, whose squared error is the variance, costs 0.5.


@for_both
def test_what_a_fitted_model_holds(estimator, y):
    model = estimator().fit(X, y)
    assert model.n_iter_ == len(model.loss_curve_)
    assert [W.shape for W in model.input_weights_] == [(256, 1)]
    assert [U.shape for U in model.recurrent_weights_] == [(256, 64)]
    assert [b.shape for b in model.biases_] == [(256,)]
    assert (model.output_weights_.shape, model.output_bias_.shape) == ((1, 64), (1,))
    for array in (*model.input_weights_, *model.recurrent_weights_, *model.biases_):
        assert not array.flags.writeable
    assert not model.output_weights_.flags.writeable


def test_the_second_block_of_biases_is_the_forget_gates():
    # Of a net that a step does not change, they are where they start, in the units of X.
    model = LSTMRegressor(forget_bias=3, max_iter=1, learning_rate_init=1e-15, normalize_X=False)
    biases = model.fit(X, Y).biases_[0]
    np.testing.assert_allclose(biases[64:128], 3)
    np.testing.assert_allclose(np.delete(biases, np.s_[64:128]), 0, atol=1e-9)


# --- Saved, and used elsewhere --------------------------------------------------------------

ELSEWHERE = """
import pickle, sys
model, X, outputs = pickle.load(open(sys.argv[1], "rb"))
names = "predict", "predict_proba", "decision_function"
pickle.dump([getattr(model, n)(X) for n in names if hasattr(model, n)], open(sys.argv[2], "wb"))
"""
OLD_PROCESSOR = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse,+sse2"}


def outputs_elsewhere(model, tmp_path, **environment):
    (tmp_path / "model").write_bytes(pickle.dumps((model, X, None)))
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "model", tmp_path / "outputs"],
        env={**os.environ, **environment},
        check=True,
    )
    return pickle.loads((tmp_path / "outputs").read_bytes())


@for_both
def test_pickle_and_joblib_save_it(estimator, y, tmp_path):
    model = estimator().fit(X, y)
    expected, buffer = all_outputs(model, X), io.BytesIO()
    assert_same_bits(all_outputs(pickle.loads(pickle.dumps(model)), X), expected)
    joblib.dump(model, buffer)
    buffer.seek(0)
    assert_same_bits(all_outputs(joblib.load(buffer), X), expected)
    assert_same_bits(outputs_elsewhere(model, tmp_path), expected)


@pytest.mark.cold
@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs a processor of this kind")
def test_what_one_kind_of_processor_saves_another_loads(tmp_path):
    model = LSTMRegressor().fit(X, Y)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    (there,) = outputs_elsewhere(model, tmp_path, **OLD_PROCESSOR, **cache)
    # They round otherwise.
    np.testing.assert_allclose(there, model.predict(X), rtol=1e-9)


# --- What is guaranteed ---------------------------------------------------------------------

FIT = """
import sys, warnings
import numpy as np
from sklstm import LSTMClassifier, LSTMRegressor
warnings.simplefilter("ignore")
windows = np.lib.stride_tricks.sliding_window_view(np.sin(np.arange(120) / 5), 21)
X, y = windows[:, :20], windows[:, 20]
labels = np.where(X[:, -1] < y, "up", "down")
for model, y in (LSTMRegressor(random_state=0), y), (LSTMClassifier(random_state=0), labels):
    print(model.fit(X, y)._weights.tobytes().hex())
"""


def test_a_fit_repeats_in_another_process():
    done = subprocess.run(
        [sys.executable, "-c", FIT], capture_output=True, text=True, check=True
    ).stdout.split()
    for estimator, y, there in zip((LSTMRegressor, LSTMClassifier), (Y, LABELS), done, strict=True):
        assert estimator(random_state=0).fit(X, y)._weights.tobytes().hex() == there


@for_both
def test_a_prediction_stands_for_itself_in_any_split(estimator, y):
    model = estimator().fit(X, y)
    together = all_outputs(model, X)
    for cuts in ([1], [3, 50], [17, 18, 40, 99]):
        parts = [all_outputs(model, part) for part in np.split(X, cuts)]
        assert_same_bits([np.concatenate(each) for each in zip(*parts, strict=True)], together)


@for_both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_that_diverges_warns_and_keeps_finite_weights(estimator, y, dtype):
    too_fast = {np.float32: 1e30, np.float64: 1e200}[dtype]
    model = estimator(learning_rate_init=too_fast)
    rows = X.astype(dtype)
    if estimator is LSTMRegressor:
        with pytest.warns(ConvergenceWarning, match="infinite or NaN"):
            model.fit(rows, y)
    else:
        # The log loss of any weights is finite, as long as they are.
        model.fit(rows, y)
    assert np.isfinite(model._weights).all()
    assert np.isfinite(all_outputs(model, rows)[-1]).all()


BAD = {
    "NaN": (lambda X: np.where(X[3, 3] == X, np.nan, X), "X contains NaN"),
    "infinity": (lambda X: np.where(X[3, 3] == X, np.inf, X), "X contains infinity"),
    "NaN in a sequence": (lambda X: [*X[:-1, :, np.newaxis], np.full((2, 1), np.nan)], r"X\[99\]"),
    "a row": (lambda X: X[0], "2D array"),
    "too few rows": (lambda X: X[:-1], "inconsistent numbers of samples"),
    "words": (lambda X: np.full(X.shape, "a"), "must be numbers|could not convert"),
    "nothing": (lambda X: X[:0], "0 sample"),
}


@for_both
@pytest.mark.parametrize(("bad", "what_is_wrong"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_before_any_training(estimator, y, bad, what_is_wrong):
    model = estimator(max_iter=1, random_state=0).fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=what_is_wrong):
        model.fit(bad(X), y)
    assert pickle.dumps(model) == before


@for_both
def test_a_fitted_model_may_be_used_from_many_threads_at_once(estimator, y):
    model = estimator().fit(X, y)
    parts = [X[start : start + size] for size in (1, 30, 99) for start in range(5)]
    alone = [all_outputs(model, part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        assert_same_bits(list(pool.map(lambda part: all_outputs(model, part), parts)), alone)


def test_workers_of_joblib_set_the_number_of_threads_themselves():
    from sklstm._machine.processor import available_threads

    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        assert joblib.Parallel()(joblib.delayed(available_threads)() for _ in range(2)) == [1, 1]
