"""ForecastDisplay: history, forecast, bands and truth, as artists, of arrays and of tables."""

import numpy as np
import pandas as pd
import pytest
from conftest import ENDLESS, ignores_convergence
from matplotlib.dates import date2num
from pictures import drawn, figures_are_closed, inside, overlap, place, plt  # noqa: F401
from scipy.stats import norm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer, sliding_windows
from sklstm.inspection import ForecastDisplay

pytestmark = ignores_convergence
HOURS = pd.date_range("2026-01-01", periods=60, freq="h", name="hour")
WAVE = pd.Series(np.sin(np.arange(60) / 4), HOURS, name="load")
PAST, TRUTH = WAVE[:48], WAVE[48:]
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
BANDS = TRUTH.to_numpy()[:, np.newaxis] + 0.3 * np.array([-2, -1, 0, 1, 2])
TABLE = pd.DataFrame(BANDS, TRUTH.index, columns=QUANTILES)


def legend(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def ends_of(band, n):
    """Times, lower and upper ends that a band was drawn with."""
    x, y = band.get_paths()[0].vertices.T
    # Along one end and back along the other, with a corner at each turn and one that closes.
    return x[1 : n + 1], y[1 : n + 1], y[n + 2 : 2 * n + 2][::-1]


def assert_drawn(line, times, values):
    np.testing.assert_array_equal(line.get_xdata(), times)
    np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-12)


FORMS = {
    "arrays": (BANDS, PAST.to_numpy(), TRUTH.to_numpy(), QUANTILES),
    "lists": (BANDS.tolist(), PAST.tolist(), TRUTH.tolist(), QUANTILES),
    "table of quantiles": (TABLE, PAST, TRUTH, None),
    "names that are texts": (TABLE.set_axis(map(str, QUANTILES), axis=1), PAST, TRUTH, None),
    "other names": (TABLE.set_axis(list("abcde"), axis=1), PAST, TRUTH, QUANTILES),
    "disordered": (TABLE[QUANTILES[::-1]], PAST, TRUTH, None),
    "array after a series": (BANDS, PAST, TRUTH.to_numpy(), QUANTILES),
    "array before a table": (TABLE, PAST.to_numpy(), TRUTH.to_numpy(), None),
    "tables": (TABLE, PAST.to_frame(), TRUTH.to_frame(), None),
}


@pytest.mark.parametrize(("y_pred", "history", "y_true", "quantiles"), FORMS.values(), ids=FORMS)
def test_history_forecast_bands_and_truth_in_every_form(y_pred, history, y_true, quantiles):
    display = ForecastDisplay.from_predictions(
        y_pred, history=history, y_true=y_true, quantiles=quantiles, n_history=40
    )
    of_array = not any(hasattr(each, "index") and not callable(each.index)
                       for each in (y_pred, history, y_true))  # fmt: skip
    past = np.arange(-39, 1) if of_array else HOURS[8:48].to_numpy()
    ahead = np.arange(1, 13) if of_array else HOURS[48:].to_numpy()
    assert_drawn(display.history_line_, past, PAST[8:])
    assert_drawn(display.forecast_line_, ahead, BANDS[:, 2])
    assert_drawn(display.truth_line_, ahead, TRUTH)
    assert len(display.bands_) == 2
    for band, (low, high) in zip(display.bands_, [(0, 4), (1, 3)], strict=True):
        x, lower, upper = ends_of(band, 12)
        np.testing.assert_allclose(x, ahead if of_array else date2num(ahead))
        np.testing.assert_allclose(lower, BANDS[:, low])
        np.testing.assert_allclose(upper, BANDS[:, high])
    assert legend(display) == ["history", "5% to 95%", "25% to 75%", "forecast (median)", "truth"]
    named = isinstance(history, pd.Series | pd.DataFrame)
    assert display.ax_.get_ylabel() == ("load" if named else "")


def test_axes_say_what_time_it_is():
    assert ForecastDisplay.from_predictions(TABLE, history=PAST).ax_.get_xlabel() == "hour"
    assert ForecastDisplay.from_predictions(BANDS[:, 0]).ax_.get_xlabel() == "steps ahead"


def test_a_column_a_target_and_a_column_a_target_and_quantile():
    two = pd.concat({"load": TABLE, "wind": 10 + TABLE}, axis=1)
    both = pd.DataFrame({"load": WAVE, "wind": 10 + WAVE})
    display = ForecastDisplay.from_predictions(
        two, history=both[:48], y_true=both[48:], target="wind"
    )
    assert_drawn(display.forecast_line_, HOURS[48:], 10 + BANDS[:, 2])
    assert_drawn(display.truth_line_, HOURS[48:], 10 + TRUTH)
    assert_drawn(display.history_line_, HOURS[24:48], 10 + PAST[24:])
    assert display.ax_.get_ylabel() == "wind"
    lines = two.xs(0.5, axis=1, level=1)
    display = ForecastDisplay.from_predictions(lines, history=both[:48], target="load")
    assert_drawn(display.forecast_line_, HOURS[48:], BANDS[:, 2])
    for table in (two, lines):
        with pytest.raises(ValueError, match=r"y_pred has the columns \['load', 'wind'\]: target"):
            ForecastDisplay.from_predictions(table)
    with pytest.raises(ValueError, match="history has the columns"):
        ForecastDisplay.from_predictions(BANDS[:, 0], history=both)


def test_columns_are_named_as_a_window_forecaster_names_them():
    names = [f"load_{quantile}" for quantile in TABLE]
    table = TABLE.set_axis(names, axis=1)
    display = ForecastDisplay.from_predictions(table, history=WAVE[:48])
    expected = ForecastDisplay.from_predictions(TABLE, history=WAVE[:48])
    assert_drawn(display.forecast_line_, HOURS[48:], BANDS[:, 2])
    assert legend(display) == legend(expected)
    two = pd.concat([table, (10 + table).add_prefix("wind_")], axis=1)
    display = ForecastDisplay.from_predictions(two, target="wind_load")
    assert_drawn(display.forecast_line_, HOURS[48:], 10 + BANDS[:, 2])
    with pytest.raises(ValueError, match=r"y_pred has the columns \['load', 'wind_load'\]"):
        ForecastDisplay.from_predictions(two)
    normal = pd.DataFrame({"load": BANDS[:, 2], "load_std": BANDS[:, 3] - BANDS[:, 2]}, HOURS[48:])
    display = ForecastDisplay.from_predictions(normal, coverage=0.5)
    expected = ForecastDisplay.from_predictions(
        normal["load"], std=normal["load_std"], coverage=0.5
    )
    np.testing.assert_array_equal(ends_of(display.bands_[0], 12), ends_of(expected.bands_[0], 12))
    assert_drawn(display.forecast_line_, HOURS[48:], BANDS[:, 2])


def test_of_one_target_no_name_is_needed():
    one = pd.concat({"load": TABLE}, axis=1)
    others = pd.DataFrame({"wind": 10 + PAST, "load": PAST})
    display = ForecastDisplay.from_predictions(one, history=others)
    assert_drawn(display.history_line_, HOURS[24:48], PAST[24:])


@pytest.mark.parametrize("index", [
    HOURS.to_period("h"), HOURS.tz_localize("Europe/Vienna"), pd.RangeIndex(100, 160),
    pd.timedelta_range("1h", periods=60, freq="h"),
])  # fmt: skip
def test_every_index_of_times_or_numbers_goes(index):
    wave = WAVE.set_axis(index)
    display = ForecastDisplay.from_predictions(BANDS[:, 2], history=wave[:48], y_true=wave[48:])
    times = display.truth_line_.get_xdata()
    # Without an index of its own the forecast continues the history.
    np.testing.assert_array_equal(display.forecast_line_.get_xdata(), times)
    assert display.history_line_.get_xdata()[-1] < times[0]
    drawn(display.figure_)
    with pytest.raises(ValueError, match="index must hold times or numbers"):
        ForecastDisplay.from_predictions(TRUTH.set_axis(list("abcdefghijkl")))


def test_deviations_are_bands_of_a_normal_distribution():
    mean, std = np.arange(4.0), np.array([1.0, 2, 3, 4])
    display = ForecastDisplay.from_predictions(mean, std=std, coverage=[0.8, 0.95])
    for band, share in zip(display.bands_, [0.95, 0.8], strict=True):
        _, lower, upper = ends_of(band, 4)
        np.testing.assert_allclose([lower, upper], norm.interval(share, mean, std))
    assert legend(display) == ["2.5% to 97.5%", "10% to 90%", "forecast"]


def test_an_even_number_of_quantiles_has_no_line_in_the_middle():
    display = ForecastDisplay.from_predictions(
        BANDS[:, [0, 1, 3, 4]], quantiles=[0.1, 0.3, 0.6, 0.9]
    )
    assert display.forecast_line_ is None
    assert legend(display) == ["10% to 90%", "30% to 60%"]
    single = ForecastDisplay.from_predictions(BANDS[:, 0], quantiles=[0.9])
    assert legend(single) == ["forecast (90% quantile)"]
    assert single.bands_ == []


def test_bands_stay_apart_without_colour_the_narrower_the_darker():
    wide, narrow = ForecastDisplay.from_predictions(TABLE, history=PAST).bands_
    grey = [band.get_facecolor()[0, :3] @ [0.2126, 0.7152, 0.0722] for band in (wide, narrow)]
    assert grey[0] - grey[1] > 0.15
    assert narrow.get_zorder() > wide.get_zorder()
    display = ForecastDisplay.from_predictions(TABLE, history=PAST, y_true=TRUTH)
    assert display.forecast_line_.get_linestyle() != display.truth_line_.get_linestyle()
    assert display.forecast_line_.get_zorder() > display.truth_line_.get_zorder() > narrow.zorder


def test_the_legend_lies_on_nothing_that_is_drawn():
    for y_true in (TRUTH, None):
        display = ForecastDisplay.from_predictions(TABLE, history=PAST, y_true=y_true)
        drawn(display.figure_)
        box = display.ax_.get_legend()
        assert inside(display.figure_, box)
        lines = [display.history_line_, display.forecast_line_, display.truth_line_]
        for artist in [*filter(None, lines), *display.bands_]:
            assert not overlap(box, artist)


@pytest.mark.parametrize(("horizon", "n_history", "shown"), [
    (12, None, 24), (1, None, 20), (12, 5, 5), (12, 1000, 48), (12, 1, 1),
])  # fmt: skip
def test_so_much_of_the_history_is_drawn(horizon, n_history, shown):
    display = ForecastDisplay.from_predictions(
        BANDS[:horizon, 2], history=PAST, n_history=n_history
    )
    np.testing.assert_array_equal(display.history_line_.get_xdata(), HOURS[48 - shown : 48])


def test_one_step_ahead_has_a_band_that_can_be_seen():
    for history in (PAST, PAST.to_numpy()):
        display = ForecastDisplay.from_predictions(
            BANDS[:1], quantiles=QUANTILES, history=history, y_true=TRUTH[:1].to_numpy()
        )
        drawn(display.figure_)
        for band in display.bands_:
            assert place(band).width > 5
        assert display.forecast_line_.get_marker() != "None"


def test_ten_thousand_steps_of_history_and_a_thousand_ahead():
    y_pred = np.zeros(1000)
    display = ForecastDisplay.from_predictions(
        y_pred, std=y_pred + 1, history=np.zeros(10_000), n_history=10_000
    )
    drawn(display.figure_)
    assert len(display.history_line_.get_xdata()) == 10_000


def test_keywords_reach_what_is_drawn():
    display = ForecastDisplay.from_predictions(
        TABLE, history=PAST, y_true=TRUTH, line_kw={"c": "red"}, history_line_kw={"lw": 5},
        truth_line_kw={"label": "measured"}, fill_between_kw={"hatch": "//"},
    )  # fmt: skip
    assert display.forecast_line_.get_color() == "red"
    assert display.history_line_.get_linewidth() == 5
    assert "measured" in legend(display)
    assert [band.get_hatch() for band in display.bands_] == ["//", "//"]


@pytest.mark.parametrize(("given", "message"), [
    ({"y_pred": BANDS}, r"a column for each of `quantiles`: got shape \(12, 5\), and none"),
    ({"y_pred": BANDS, "quantiles": [0.5]}, "and 1 of quantiles"),
    ({"y_pred": BANDS, "quantiles": [5, 25, 50, 75, 95]}, "quantiles must be between 0 and 1"),
    ({"y_pred": BANDS[:, 0], "std": [1, 2]}, r"std must have the shape of y_pred, \(12,\)"),
    ({"y_pred": BANDS[:, 0], "std": BANDS[:, 0], "coverage": 90}, "coverage must be between 0"),
    ({"y_pred": BANDS[:, 0], "history": BANDS}, "history must have one number for each time"),
    ({"y_pred": BANDS[:3, 0], "y_true": TRUTH.tolist()}, "at most as many numbers as y_pred, 3"),
    ({"y_pred": TABLE, "target": "load"}, None),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_and_no_figure_made(given, message):
    if message is None:
        ForecastDisplay.from_predictions(**given)
        return
    with pytest.raises(ValueError, match=message):
        ForecastDisplay.from_predictions(**given)
    assert plt.get_fignums() == []


# --- From an estimator ----------------------------------------------------------------------

X, Y = sliding_windows(np.sin(np.arange(200) / 4), 24, horizon=6)


def regressor(X=X, y=Y, **parameters):
    return LSTMRegressor(4, max_iter=3, random_state=0, **parameters, **ENDLESS).fit(X, y)


def test_a_regressor_forecasts_what_follows_a_sequence():
    model = regressor()
    display = ForecastDisplay.from_estimator(model, X, Y, sample=-3)
    assert_drawn(display.history_line_, np.arange(-19, 1), X[-3, 4:, 0])
    assert_drawn(display.forecast_line_, np.arange(1, 7), model.predict(X)[-3])
    assert_drawn(display.truth_line_, np.arange(1, 7), Y[-3])
    assert display.bands_ == []
    assert ForecastDisplay.from_estimator(model, X).truth_line_ is None
    assert ForecastDisplay.from_estimator(model, X, feature=None).history_line_ is None


@pytest.mark.parametrize("y", [Y, Y[:, 0]], ids=["six steps", "one"])
def test_quantiles_and_deviations_of_a_net_are_bands(y):
    n = np.shape(y[:1])[1] if y.ndim == 2 else 1
    model = regressor(y=y, loss="quantile", quantile=[0.2, 0.5, 0.8])
    display = ForecastDisplay.from_estimator(model, X, y, sample=2)
    answer = model.predict(X)[2].reshape(n, 3)
    np.testing.assert_allclose(display.forecast_line_.get_ydata(), answer[:, 1])
    assert legend(display)[1:3] == ["20% to 80%", "forecast (median)"]
    model = regressor(y=y, loss="gaussian")
    display = ForecastDisplay.from_estimator(model, X, y, sample=2, coverage=0.9)
    mean, std = model.predict(X, return_std=True)
    np.testing.assert_allclose(display.forecast_line_.get_ydata(), np.ravel(mean[2]))
    y_drawn = display.bands_[0].get_paths()[0].vertices[:, 1]
    low, high = norm.interval(0.9, np.ravel(mean[2]), np.ravel(std[2]))
    assert (y_drawn.min(), y_drawn.max()) == pytest.approx((low.min(), high.max()))


def test_a_net_of_each_step_forecasts_from_the_last_one():
    sequences = [x[:n] for x, n in zip(X, np.arange(len(X)) % 20 + 5, strict=True)]
    targets = [x[:, 0] + 1 for x in sequences]
    model = regressor(sequences, targets, pooling=None)
    display = ForecastDisplay.from_estimator(model, sequences, targets, sample=1)
    assert display.forecast_line_.get_ydata().tolist() == [model.predict(sequences)[1][-1]]
    assert display.truth_line_.get_ydata().tolist() == [targets[1][-1]]
    assert len(display.history_line_.get_xdata()) == 6


def test_the_history_is_any_feature_of_the_raw_series():
    raw = [pd.DataFrame({"wind": x[:, 0], "load": 100 + 9 * x[:, 0]}) for x in X]
    model = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(4, max_iter=2))
    model.fit(raw, Y)
    for feature in ("load", 1, -1):
        display = ForecastDisplay.from_estimator(model, raw, feature=feature, n_history=24)
        np.testing.assert_allclose(display.history_line_.get_ydata(), 100 + 9 * X[0, :, 0])
    for feature in ("rain", 2):
        with pytest.raises(ValueError, match="feature must be an index from 0 to 1, or one of"):
            ForecastDisplay.from_estimator(model, raw, feature=feature)


def test_a_classifier_has_no_path_to_forecast():
    model = LSTMClassifier(4, max_iter=2).fit(X, Y[:, 0] > 0)
    with pytest.raises(TypeError, match="estimator must be a regressor, got a classifier"):
        ForecastDisplay.from_estimator(model, X)
