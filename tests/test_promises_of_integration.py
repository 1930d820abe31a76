"""The code of docs/user_guide/integration.md, word by word, and what the page says beside it.

`test_integration.py` has further forms. Warnings of other libraries are their own.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reference

from sklstm import LSTMRegressor, sliding_windows

pytestmark = pytest.mark.filterwarnings("ignore")

PAGE = (Path(__file__).parents[1] / "docs" / "user_guide" / "integration.md").read_text("utf-8")
RNG = np.random.RandomState(0)
SERIES = pd.Series(
    10 + np.sin(0.5 * np.arange(160)) + 0.1 * RNG.normal(size=160),
    index=pd.date_range("2020-01-01", periods=160, freq="D"),
)


def blocks_of(section):
    """The code of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, **names):
    """The names that code has, after it ran."""
    exec(code, names := {"LSTMRegressor": LSTMRegressor, "np": np} | names)
    return names


def test_every_section_with_code_is_here():
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert [(name, len(blocks_of(name))) for name in sections] == [
        ("skforecast", 1), ("sktime", 1), ("MAPIE", 2), ("A band that holds", 1)
    ]  # fmt: skip


def assert_continues(forecast):
    truth = 10 + np.sin(0.5 * np.arange(160, 172))
    assert np.mean((np.ravel(forecast) - truth) ** 2) < 0.3 * truth.var()


def test_skforecast():
    pytest.importorskip("skforecast")
    (code,) = blocks_of("skforecast")
    names = run(code, series=SERIES)
    for name in ("recursive", "direct"):
        assert_continues(eval(f"{name}.predict(steps=12)", names))


def test_skforecast_puts_the_latest_lag_first_and_exog_after_the_lags():
    recursive = pytest.importorskip("skforecast.recursive")
    exog = pd.DataFrame({"price": np.arange(160.0)}, index=SERIES.index)
    net = LSTMRegressor(max_iter=1, random_state=0)
    forecaster = recursive.ForecasterRecursive(net, lags=24)
    X, _ = forecaster.create_train_X_y(SERIES, exog=exog)
    np.testing.assert_allclose(X.iloc[0, :24], SERIES.iloc[:24][::-1])
    forecaster.fit(SERIES, exog=exog)
    # Versions differ in what they call it.
    (fitted,) = {
        id(value): value for value in vars(forecaster).values() if isinstance(value, LSTMRegressor)
    }.values()
    assert fitted.n_timesteps_ == 25


def test_sktime():
    pytest.importorskip("sktime")
    (code,) = blocks_of("sktime")
    before, _, last = code.strip().rpartition("\n")
    assert_continues(eval(last, run(before, series=SERIES)))
    for strategy in ("recursive", "direct"):
        names = run(before.replace("multioutput", strategy), series=SERIES)
        names["forecaster"].set_params(estimator__max_iter=1)
        assert len(eval(last, names)) == 12


def wave(n):
    return np.sin(0.5 * np.arange(n)) + 0.2 * np.random.RandomState(0).normal(size=n)


def parts(X, y):
    """What the page calls training, later and new."""
    X_train, y_train, X_later, y_later, X_new = X[:300], y[:300], X[300:500], y[300:500], X[500:]
    names = {"X_train": X_train, "y_train": y_train, "X_later": X_later, "y_later": y_later}
    return names | {"X_new": X_new}, y[500:]


@pytest.mark.parametrize("block", [0, 1], ids=["split", "three quantiles"])
def test_mapie(block):
    pytest.importorskip("mapie.regression")
    X, y = sliding_windows(wave(700), 24)
    names, truth = parts(X[:, :, 0], y)
    names = run(blocks_of("MAPIE")[block], **names)
    low, high = names["intervals"][:, 0, 0], names["intervals"][:, 1, 0]
    # 80% of 176, and of the 200 that they were calibrated on: three deviations are 12 points.
    assert 0.68 < np.mean((low < truth) & (truth < high)) < 0.92


@pytest.mark.parametrize("form", ["an array", "a list"])
def test_a_band_that_holds_for_any_form_and_many_outputs(form):
    X, y = sliding_windows(np.column_stack([wave(700), np.arange(700) % 7]), 24, 2, target=0)
    names, truth = parts(X if form == "an array" else list(X), y)
    (code,) = blocks_of("A band that holds")
    names = run(code, **names)
    low, high = names["band"]
    assert names["wider"].shape == (2,)
    assert 0.68 < np.mean((low < truth) & (truth < high)) < 0.92


def test_wider_may_be_negative_and_a_band_that_held_too_many_becomes_narrower():
    X, y = sliding_windows(wave(700), 24)
    names, truth = parts(X, y)
    (code,) = blocks_of("A band that holds")
    names = run(code.replace("[0.1, 0.9]", "[0.005, 0.995]"), **names)
    assert names["wider"] < 0
    low, high = names["band"]
    assert 0.68 < np.mean((low < truth) & (truth < high)) < 0.92


def test_with_bidirectional_the_net_reads_a_window_both_ways():
    # What it makes of a window, it makes of the reversed one once its directions change places.
    windows, y = sliding_windows(wave(100), 12)
    model = LSTMRegressor(bidirectional=True, max_iter=5, random_state=0).fit(windows, y)
    mirrored = {
        name: list(getattr(model, name))[::-1]
        for name in ("input_weights_", "recurrent_weights_", "biases_")
    }
    mirrored["output_weights_"] = np.roll(model.output_weights_, 64, axis=1)
    mirrored["output_bias_"] = model.output_bias_
    weights = {name.removesuffix("_"): value for name, value in mirrored.items()}
    raw, _ = reference.forward(windows[:, ::-1], weights, bidirectional=True, pooling="last")
    np.testing.assert_allclose(raw[:, 0], model.predict(windows), rtol=1e-9)
