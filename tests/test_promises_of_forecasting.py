"""What docs/user_guide/forecasting.md claims beyond what its own code shows."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklstm import LSTMRegressor
from sklstm.forecasting import WindowForecaster

PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "forecasting.md"
TEXT = PAGE.read_text(encoding="utf-8")


def section(title):
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_a_table_to_a_forecast_takes_ten_lines():
    lines = re.findall(r"^(?:>>>|\.\.\.) ", section("A table to a forecast in ten lines"), re.M)
    # One of them shows the forecast.
    assert len(lines) - 1 <= 10


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_band_that_holds_holds_at_every_step_and_for_every_target(n_targets):
    lines = section("A band that holds").partition(">>> ")[2].partition("\n>>> model.fit")[0]
    recipe = lines.replace("\n... ", "\n")
    assert len(recipe.splitlines()) <= 10
    names = {"np": np}
    exec(recipe, names)
    # Noise whose size is another in the part to learn from: the net's own band is too narrow.
    n, rng = 3000, np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=n, freq="h")
    noise = np.where(np.arange(n) < 1200, 0.2, 1.0)[:, np.newaxis] * rng.normal(size=(n, 2))
    wave = 5 * np.sin(np.arange(n) * np.pi / 12)[:, np.newaxis]
    table = pd.DataFrame(wave + noise, columns=["load", "heat"], index=hours)
    target = ["load", "heat"][:n_targets]
    net = LSTMRegressor(
        8, loss="quantile", quantile=[0.1, 0.9], learning_rate_init=0.01, tol=1e-3, random_state=0
    )
    model = WindowForecaster(net, n_timesteps=24, horizon=3, target=target).fit(table[:1200])
    tests = model.backtest(table, start=2200, every=1)
    for column in target:
        wider = names["widening"](
            model, table[:2200], None, hours[1300], column, 0.1, 0.9, share=0.8
        )
        assert wider.index.tolist() == [1, 2, 3]
        assert (wider > 0).all()
        truth = table.loc[tests.index, column].to_numpy()
        low, high = tests[f"{column}_0.1"], tests[f"{column}_0.9"]
        for step in (1, 2, 3):
            its = (tests["step"] == step).to_numpy()
            by_row = wider[step]
            before = np.mean((low[its] < truth[its]) & (truth[its] < high[its]))
            after = np.mean((low[its] - by_row < truth[its]) & (truth[its] < high[its] + by_row))
            # Some 800 forecasts, calibrated on 900: three deviations are 6 points.
            assert before < 0.6
            assert 0.74 < after < 0.86


def test_the_picture_of_covariates_is_what_the_net_reads():
    from counting import Counts

    picture = re.search(r"```text\n(.*?)```", TEXT, re.S)[1].splitlines()
    rows = {line[:24].strip(): re.findall(r"\d+", line[24:]) for line in picture}
    counting = np.arange(1.0, 9)
    model = WindowForecaster(Counts(horizon=2), n_timesteps=4, horizon=2)
    model.fit(counting, exog=counting)
    first = model.estimator_.X_[0].astype(int).astype(str)
    assert first[:, 0].tolist() == rows["row of the table"]
    assert first[:, 1].tolist() == rows["row of exog"]
