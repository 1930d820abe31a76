"""Types: what users write passes `mypy --strict`, and what cannot work does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")

ROOT = Path(__file__).parents[1]
HEAD = """\
from importlib import import_module
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from sklstm import (
    LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer, sliding_windows,
)
from sklstm.callbacks import Checkpoint
from sklstm.forecasting import WindowForecaster
from sklstm.windows import Windows

series: npt.NDArray[np.float64] = np.sin(0.3 * np.arange(60.0))
"""
SERIES = """
X, y = sliding_windows(series, n_timesteps=8)
assert_type(X, npt.NDArray[np.floating[Any]])
assert_type(y, npt.NDArray[np.floating[Any]])
table = np.column_stack([series, -series])
sliding_windows(table, 8, 2, step=3, target=1, exog=series.tolist())
sliding_windows(table.tolist(), n_timesteps=8, horizon=2, target=[0, -1])
sliding_windows([1, 2.5, 3], 2, target=np.array([0]), exog=None)
of_a_list: Windows = sliding_windows([series, series[:20]], 8, exog=[-series, -series[:20]])[0]
many, its_y = sliding_windows({"a": series, "b": series[:20].tolist()}, 8)
assert_type(many, Windows)
assert_type(many.groups, npt.NDArray[Any])
LSTMRegressor(4, max_iter=2).fit(many, its_y).predict(many)

scaler: Any = import_module("sklearn.preprocessing").StandardScaler()  # which has no types
transformer = TimestepTransformer(scaler, n_timesteps=8)
assert_type(transformer.fit(X), TimestepTransformer)
assert_type(transformer.set_output(transform="default"), TimestepTransformer)
assert_type(transformer.get_feature_names_out(["load"]), npt.NDArray[Any])
assert_type(transformer.n_features_in_, int)
assert_type(transformer.n_timesteps_, int | None)
scaled: npt.NDArray[np.float64] = transformer.fit_transform(X, y)
back: npt.NDArray[np.float64] = transformer.inverse_transform(transformer.transform(scaled))
of_any_length = TimestepTransformer(scaler).fit([table[:5], table[:3]])
cut: list[npt.NDArray[np.float64]] = of_any_length.transform([[[1, 2], [3, 4]], [[5, 6]]])
"""
ESTIMATORS = """
X, y = sliding_windows(series, n_timesteps=8)
sequences = [np.ones((5, 2)), np.zeros((3, 2))]

regressor = LSTMRegressor(4, n_timesteps=8, max_iter=2, random_state=0)
assert_type(regressor.fit(X, y), LSTMRegressor)
assert_type(regressor.fit(X, y, sample_weight=np.ones(len(y)), X_val=X, y_val=y), LSTMRegressor)
assert_type(regressor.predict(X), npt.NDArray[np.floating[Any]])
assert_type(regressor.score(X, y), float)
quantiles = LSTMRegressor(4, loss="quantile", quantile=[0.1, 0.9], max_iter=2).fit(X, y)
LSTMRegressor(loss="quantile", quantile=np.array([0.1, 0.9]))
LSTMRegressor(loss="quantile", quantile=(0.1, 0.9))
assert_type(quantiles.predict(X), npt.NDArray[np.floating[Any]])
gaussian = LSTMRegressor(4, loss="gaussian", max_iter=2).fit(X, y)
mean, std = gaussian.predict(X, return_std=True)
assert_type(std, npt.NDArray[np.floating[Any]])
assert_type(gaussian.predict(X, return_std=False), npt.NDArray[np.floating[Any]])
assert_type(regressor.loss_curve_, list[float])
assert_type(regressor.validation_scores_, list[float] | None)
assert_type(regressor.best_validation_score_, float | None)
assert_type(regressor.n_features_in_, int)
stream = StreamingPredictor(regressor, n_series=2)
assert_type(stream.predict([[1.0], [2.0]]), npt.NDArray[Any])
assert_type(stream.state.steps, npt.NDArray[np.int64])
_, band = StreamingPredictor(gaussian).predict([[1.0]], return_std=True)
assert_type(band, npt.NDArray[np.floating[Any]])
stream.state = stream.state
stream.reset([0])
assert_type(regressor.n_timesteps_, int | None)
assert_type(regressor.input_weights_, list[npt.NDArray[np.floating[Any]]])
assert_type(regressor.output_bias_, npt.NDArray[np.floating[Any]])
of_any_length = LSTMRegressor((4, 3), forget_bias="chrono", max_grad_norm=1, max_iter=2)
assert_type(of_any_length.partial_fit(sequences, [1.0, 2.0]), LSTMRegressor)
of_any_length.fit([[[1, 2], [3, 4]], [[5, 6]]], [1.0, 2.0]).predict(sequences)

classifier = LSTMClassifier(hidden_layer_sizes=[4], class_weight={"up": 2.0}, max_iter=2)
assert_type(classifier.fit(X, np.where(y > 0, "up", "down")), LSTMClassifier)
assert_type(classifier.predict_proba(X), npt.NDArray[np.floating[Any]])
labels: npt.NDArray[np.str_] = classifier.predict(X)
assert_type(classifier.score(X, labels), float)
probabilities = StreamingPredictor(classifier).predict_proba(X[:1, 0])
assert_type(probabilities, npt.NDArray[np.floating[Any]])
"""
INSPECTION = """
from sklstm.inspection import (
    GateActivations, gate_activations, input_gradients, integrated_gradients, memory_spans,
    permutation_importance,
)

X = series.reshape(10, 3, 2)
y = X[:, 0, 0]
net = LSTMRegressor(3, tol=1, random_state=0).fit(X, y)
assert_type(gate_activations(net, X), list[GateActivations])
assert_type(memory_spans(net, [X[0], X[1]]), list[npt.NDArray[np.floating[Any]]])
input_gradients(net, X, output=0)
integrated_gradients(net, [X[0].tolist()], baseline=[0, 1.5], n_points=64)
integrated_gradients(net, X, baseline=X)
by_both = permutation_importance(net, X, y, by="both", n_repeats=2, random_state=0)
by_both.importances_mean[0, 0]
"""
DISPLAYS = """
from sklstm.inspection import (
    AttributionDisplay, ForecastDisplay, GateActivationsDisplay, LossCurveDisplay,
)

X = series.reshape(10, 3, 2)
net = LSTMRegressor(3, tol=1).fit(X, X[:, 0, 0])
losses = LossCurveDisplay.from_estimator(net, yscale="log", line_kw={"color": "red"})
assert_type(losses, LossCurveDisplay)
assert_type(losses.plot(), LossCurveDisplay)
LossCurveDisplay(loss_curve=[1.0, 0.5], validation_loss_curve=None, best_epoch=1)
gates = GateActivationsDisplay.from_estimator(net, X, sample=-1, gates=["forget"], kind="mean")
assert_type(gates.plot(kind="units", sort_units=True), GateActivationsDisplay)
attributions = AttributionDisplay.from_estimator(net, [X[0], X[1]], baseline=[0, 1.5], features=[0])
assert_type(attributions.features_, list[int])
AttributionDisplay(attributions=X[0], X=X[0], feature_names=["a", "b"]).plot(kind="heatmap")
ForecastDisplay.from_predictions([[1.0, 2, 3]], quantiles=[0.1, 0.5, 0.9], history=series)
forecast = ForecastDisplay.from_estimator(net, X, X[:, 0, 0], sample=1, feature=1, n_history=3)
assert_type(forecast.plot(coverage=0.9), ForecastDisplay)
forecast.ax_.set_title("any")
"""
INTEROP = """
from sklstm.interop import (
    from_keras, from_torch, register_converters, to_c, to_keras, to_onnx, to_torch,
)

net = LSTMRegressor(3, tol=1).fit(series.reshape(10, 3, 2), series[:10])
assert_type(to_c(net), str)
assert_type(to_c(net, name="level"), str)


def with_onnx() -> None:
    register_converters()
    to_onnx(net, lengths=True, dtype=np.float32).SerializeToString()
    to_onnx(net, streaming=True, dtype="float64")


def with_others(lstm: Any, linear: Any, model: Any) -> None:
    from_torch(to_torch(net)).fit(series.reshape(10, 3, 2), series[:10])
    from_torch([lstm], linear, pooling=None, classes=["a", "b"])
    from_keras(to_keras(net)).predict(series.reshape(10, 3, 2))
    from_keras(model, loss="quantile", quantile=[0.1, 0.9])
"""
FORECASTING = """
model = WindowForecaster(LSTMRegressor(3, max_iter=1), n_timesteps=8, horizon=2, target=0)
assert_type(model.fit(series), WindowForecaster)
assert_type(model.fit({"a": series, "b": series}, exog=None), WindowForecaster)
assert_type(model.n_windows_left_out_, int)
assert_type(model.forecast_names_, list[Any])
forecast: npt.NDArray[np.float64] = model.predict(series)
tests: npt.NDArray[np.float64] = model.backtest(series, start=20, every=5)
assert_type(model.score(series), float)
"""
CALLBACKS = """
def with_callbacks(path: Path) -> None:
    checkpoint = Checkpoint(path, every=5, resume=True)
    assert_type(checkpoint, Checkpoint)
    assert_type(Checkpoint("model.joblib").every, int)
    LSTMRegressor(3, max_iter=2).set_callbacks(checkpoint).fit(series.reshape(10, 6), series[:10])
"""
WRONG_CALLBACKS = {
    "Checkpoint()": 'Missing positional argument "path"',
    "Checkpoint(3)": '"Checkpoint" has incompatible type "int"',
    'Checkpoint("a", every="5")': '"Checkpoint" has incompatible type "str"',
    'Checkpoint("a", resume=None)': '"Checkpoint" has incompatible type "None"',
}
WRONG_FORECASTING = {
    'WindowForecaster(LSTMRegressor(), n_timesteps="3")': 'has incompatible type "str"',
    "WindowForecaster(LSTMRegressor(), 3)": "Too many positional arguments",
    "WindowForecaster(LSTMRegressor())": 'Missing named argument "n_timesteps"',
    "WindowForecaster(LSTMRegressor(), n_timesteps=3).fit(series, series)": 'Argument 2 to "fit"',
}
WRONG_SERIES = {
    'sliding_windows(series, n_timesteps="3")': 'No overload variant of "sliding_windows"',
    "sliding_windows(series, 3, target=1.5)": 'No overload variant of "sliding_windows"',
    "sliding_windows(series, 3, 1, 2)": 'No overload variant of "sliding_windows"',
    "sliding_windows(series, 3)[0].groups": 'has no attribute "groups"',
    "text: str = sliding_windows(series, 3)[1]": "Incompatible types in assignment",
    'TimestepTransformer(0, n_timesteps="3")': '"TimestepTransformer" has incompatible type "str"',
    "TimestepTransformer(0).fit(print)": 'Argument 1 to "fit" of "TimestepTransformer"',
    "TimestepTransformer(0).transform()": 'Missing positional argument "X"',
    'TimestepTransformer(0).set_output(transform="csv")': 'Argument "transform" to "set_output"',
}
WRONG_ESTIMATORS = {
    'LSTMRegressor(n_timesteps="3")': '"LSTMRegressor" has incompatible type "str"',
    'LSTMRegressor(quantile="0.5")': '"LSTMRegressor" has incompatible type "str"',
    'LSTMRegressor().predict(series, return_std="yes")': 'No overload variant of "predict"',
    'LSTMClassifier(n_timesteps="3")': '"LSTMClassifier" has incompatible type "str"',
    "LSTMRegressor().fit(print, series)": 'Argument 1 to "fit"',
    "LSTMRegressor().fit(series)": 'Missing positional argument "y"',
    "LSTMClassifier().predict_proba(print)": 'Argument 1 to "predict_proba"',
    "text: str = LSTMRegressor().predict(series)": "Incompatible types in assignment",
}


def mypy(code, folder):
    """Whether a user's file passes `mypy --strict`, and the lines of its errors."""
    (folder / "consumer.py").write_text(code, encoding="utf-8")
    options = ["--strict", "--config-file=", f"--cache-dir={folder.parent / 'mypy-cache'}"]
    # On this path mypy looks as in site-packages: without py.typed there would be no types.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("MYPYPATH", None)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "consumer.py"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.stderr == ""
    errors = [line for line in checked.stdout.splitlines() if ": error: " in line]
    return checked.returncode == 0, errors


@pytest.mark.parametrize(
    "code",
    [SERIES, ESTIMATORS, INSPECTION, DISPLAYS, INTEROP, FORECASTING, CALLBACKS],
    ids=["series", "estimators", "inspection", "displays", "interop", "forecasting", "callbacks"],
)
def test_what_users_write_passes(code, tmp_path):
    assert mypy(HEAD + code, tmp_path) == (True, [])


@pytest.mark.parametrize(
    "code",
    [SERIES, ESTIMATORS, INSPECTION, DISPLAYS, INTEROP, FORECASTING, CALLBACKS],
    ids=["series", "estimators", "inspection", "displays", "interop", "forecasting", "callbacks"],
)
def test_what_passes_runs(code):
    exec(HEAD + code, {})
    if "sklstm.inspection" in code:
        plt = pytest.importorskip("matplotlib.pyplot")
        plt.close("all")


@pytest.mark.parametrize(
    "wrong",
    [WRONG_SERIES, WRONG_ESTIMATORS, WRONG_FORECASTING, WRONG_CALLBACKS],
    ids=["series", "estimators", "forecasting", "callbacks"],
)
def test_what_cannot_work_is_found_before_it_runs(wrong, tmp_path):
    passes, errors = mypy(HEAD + "\n".join(wrong), tmp_path)
    assert not passes
    assert len(errors) == len(wrong)
    first = HEAD.count("\n") + 1
    for number, (error, message) in enumerate(zip(errors, wrong.values(), strict=True), first):
        assert error.startswith(f"consumer.py:{number}: error: ")
        assert message in error
