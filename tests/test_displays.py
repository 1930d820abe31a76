"""LossCurveDisplay, GateActivationsDisplay, AttributionDisplay: what they draw, as artists."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ENDLESS, ignores_convergence
from matplotlib.colors import to_rgba
from pictures import drawn, figures_are_closed, inside, lightness, overlap, plt  # noqa: F401
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer
from sklstm.inspection import (
    AttributionDisplay,
    ForecastDisplay,
    GateActivations,
    GateActivationsDisplay,
    LossCurveDisplay,
    gate_activations,
    input_gradients,
    integrated_gradients,
)

pytestmark = ignores_convergence
X = np.random.RandomState(0).normal(size=(80, 9, 2))
Y = X[:, -1, 0] + 0.3 * X[:, -2, 1]
LABELS = np.where(Y > 0, "up", "down")


def net(estimator=LSTMRegressor, y=Y, X=X, **parameters):
    parameters = {"hidden_layer_sizes": 5, "max_iter": 6, "random_state": 0, **parameters}
    return estimator(**parameters, **ENDLESS).fit(X, y)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


# --- All of them ----------------------------------------------------------------------------

ALL = {
    "loss": lambda **kw: LossCurveDisplay.from_estimator(net(), **kw),
    "gates": lambda **kw: GateActivationsDisplay.from_estimator(net(), X, **kw),
    "mean": lambda **kw: GateActivationsDisplay.from_estimator(net(), X, kind="mean", **kw),
    "series": lambda **kw: AttributionDisplay.from_estimator(net(), X, **kw),
    "heatmap": lambda **kw: AttributionDisplay.from_estimator(net(), X, kind="heatmap", **kw),
    "forecast": lambda **kw: ForecastDisplay.from_estimator(net(), X, Y, **kw),
}
for_all = pytest.mark.parametrize("make", ALL.values(), ids=ALL)


@for_all
def test_each_draws_on_axes_that_are_given(make):
    figure, (left, right) = plt.subplots(1, 2)
    display = make(ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.has_data()


@for_all
def test_each_makes_a_figure_of_600_pixels_whose_texts_are_all_on_it(make):
    display = make()
    figure = drawn(display.figure_)
    assert figure.get_size_inches()[0] * figure.dpi == 600
    for axes in [*figure.axes, *getattr(display, "axes_", [])]:
        texts = [axes.xaxis.label, axes.yaxis.label] if axes.axison else []
        for text in (axes.title, axes._left_title, *texts):
            assert not text.get_text() or inside(figure, text), text


@for_all
def test_drawing_again_draws_the_same_on_new_axes(make):
    display = make()
    first = display.ax_
    assert display.plot() is display
    assert display.ax_ is not first


def test_without_matplotlib_each_says_how_to_get_it():
    code = """
import sys
sys.modules["matplotlib"] = None
from sklstm.inspection import *
from sklstm import inspection
names = [name for name in inspection.__all__ if name.endswith("Display")]
for name in names:
    for method in ("from_estimator", "plot"):
        display = getattr(inspection, name)
        try:
            if method == "plot":
                display.plot(display.__new__(display))
            else:
                display.from_estimator(*[None] * (1 if name.startswith("Loss") else 2))
        except ImportError as error:
            assert str(error) == (
                f"{name}.{method} requires matplotlib. You can install it with: "
                'pip install "sklstm[plot]"'
            ), error
        except (AttributeError, TypeError):
            assert method == "plot"
        else:
            raise AssertionError(name)
print(len(names))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr, done.stdout) == ("", "4\n")


@pytest.mark.parametrize("name", ["Loss", "gates", "series", "forecast"])
def test_an_estimator_that_is_not_fitted_is_refused(name):
    model = LSTMRegressor()
    with pytest.raises((NotFittedError, ValueError), match="fit"):
        {
            "Loss": lambda: LossCurveDisplay.from_estimator(model),
            "gates": lambda: GateActivationsDisplay.from_estimator(model, X),
            "series": lambda: AttributionDisplay.from_estimator(model, X),
            "forecast": lambda: ForecastDisplay.from_estimator(model, X),
        }[name]()
    assert plt.get_fignums() == []


# --- LossCurveDisplay -----------------------------------------------------------------------


@pytest.mark.parametrize(("estimator", "y"), [(LSTMRegressor, Y), (LSTMClassifier, LABELS)])
def test_losses_are_drawn_and_the_best_epoch_marked(estimator, y):
    model = net(estimator, y, early_stopping=True, max_iter=30, learning_rate_init=0.03)
    display = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.train_line_.get_xdata(), np.arange(1, 31))
    np.testing.assert_array_equal(display.train_line_.get_ydata(), model.loss_curve_)
    losses = model.validation_loss_curve_
    np.testing.assert_array_equal(display.validation_line_.get_ydata(), losses)
    # The epoch whose weights were kept.
    best = 1 + int(np.argmax(model.validation_scores_))
    assert model.validation_scores_[best - 1] == model.best_validation_score_
    assert set(display.best_line_.get_xdata()) == {best}
    assert display.best_point_.get_xydata().tolist() == [[best, losses[best - 1]]]
    assert legend(display.ax_) == ["training", "validation", f"best epoch: {best}"]
    # Apart without colour.
    assert display.train_line_.get_linestyle() != display.validation_line_.get_linestyle()


def test_without_validation_the_lowest_loss_is_marked():
    model = net()
    display = LossCurveDisplay.from_estimator(model)
    assert display.validation_line_ is None
    best = 1 + int(np.argmin(model.loss_curve_))
    assert legend(display.ax_) == ["training", f"best epoch: {best}"]


def test_epochs_of_a_warm_start_lie_where_they_were():
    model = net(max_iter=4, warm_start=True)
    model.set_params(early_stopping=True, max_iter=3).fit(X, Y)
    display = LossCurveDisplay.from_estimator(model)
    drawn_losses = display.validation_line_.get_ydata()
    assert np.isnan(drawn_losses).tolist() == [True] * 4 + [False] * 3
    np.testing.assert_array_equal(drawn_losses[4:], model.validation_loss_curve_)


def test_losses_of_pipelines_and_of_the_multilayer_perceptron_are_drawn():
    model = make_pipeline(StandardScaler(), net(X=X[:, :, 0])).fit(X[:, :, 0], Y)
    display = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(display.train_line_.get_ydata(), model[-1].loss_curve_)
    peer = MLPRegressor(hidden_layer_sizes=4, max_iter=5, early_stopping=True, random_state=0).fit(
        X[:, 0], Y
    )
    display = LossCurveDisplay.from_estimator(peer)
    assert set(display.best_line_.get_xdata()) == {1 + int(np.argmax(peer.validation_scores_))}


def test_a_wide_span_of_losses_has_a_logarithmic_scale():
    def scale(losses, **given):
        return LossCurveDisplay(loss_curve=losses).plot(**given).ax_.get_yscale()

    assert scale([1.0, 0.1, 0.01]) == "log"
    assert scale([1.0, 0.9]) == "linear"
    assert scale([1.0, -0.9]) == "linear"  # of loss="gaussian"
    assert scale([1.0, 0.1, 0.01], yscale="linear") == "linear"
    assert scale([np.nan, np.inf]) == "linear"


def test_one_epoch_can_be_seen():
    display = LossCurveDisplay.from_estimator(net(max_iter=1))
    assert display.train_line_.get_marker() == "o"
    left, right = display.ax_.get_xlim()
    assert [tick for tick in display.ax_.get_xticks() if left < tick < right] == [1]


def test_keywords_reach_the_lines_under_any_of_their_names():
    display = LossCurveDisplay.from_estimator(
        net(early_stopping=True), line_kw={"c": "red", "lw": 3}, validation_line_kw={"ls": ":"},
        best_line_kw={"color": "green"},
    )  # fmt: skip
    assert to_rgba(display.train_line_.get_color()) == to_rgba("red")
    assert display.train_line_.get_linewidth() == 3
    assert display.validation_line_.get_linestyle() == ":"
    assert display.best_line_.get_color() == "green"


# --- GateActivationsDisplay -----------------------------------------------------------------


@pytest.fixture(name="deep", scope="module")
def two_layers_in_both_directions():
    return net(hidden_layer_sizes=(5, 3), bidirectional=True)


@pytest.mark.parametrize(("layer", "direction", "place"), [
    (0, "forward", 0), (0, "backward", 1), (1, "forward", 2), (-1, "backward", 3),
])  # fmt: skip
def test_units_of_any_layer_and_direction_are_rows_and_steps_columns(deep, layer, direction, place):
    gates = GateActivations._fields
    display = GateActivationsDisplay.from_estimator(
        deep, X, sample=-2, layer=layer, direction=direction, gates=gates
    )
    found = gate_activations(deep, X)[place]
    assert list(display.images_) == list(gates)
    for gate, panel in zip(gates, display.axes_, strict=True):
        image = display.images_[gate]
        np.testing.assert_allclose(image.get_array(), getattr(found, gate)[-2].T, rtol=1e-12)
        assert image in panel.images
        # A unit lies at its number, a step too.
        assert image.get_extent() == [-0.5, 8.5, -0.5, found.input.shape[2] - 0.5]
        words = gate if gate in ("candidate", "cell") else f"{gate} "
        assert panel.get_title(loc="left").startswith(words)
    assert [display.images_[gate].get_clim() for gate in ("input", "hidden")] == [(0, 1), (-1, 1)]
    low, high = display.images_["cell"].get_clim()
    assert low == -high == -np.abs(found.cell[-2]).max()
    title = display.ax_.get_title()
    assert ("which reads X" in title, "from the right" in title) == (
        layer == 0, direction == "backward",
    )  # fmt: skip


def test_a_net_of_one_layer_needs_no_title():
    assert GateActivationsDisplay.from_estimator(net(), X).ax_.get_title() == ""


@pytest.mark.parametrize("units", [1, 5])
def test_mean_and_spread_of_the_units(units):
    model = net(hidden_layer_sizes=units)
    display = GateActivationsDisplay.from_estimator(model, X, sample=4, kind="mean")
    (found,) = gate_activations(model, X)
    assert list(display.lines_) == ["input", "forget", "output"]
    assert len(display.bands_) == (3 if units > 1 else 0)
    for gate, line in display.lines_.items():
        values = getattr(found, gate)[4]
        np.testing.assert_allclose(line.get_ydata(), values.mean(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(9))
        if units > 1:
            corners = display.bands_[gate].get_paths()[0].vertices[:, 1]
            ends = np.quantile(values, [0.1, 0.9], axis=1)
            assert corners.min() == pytest.approx(ends.min())
            assert corners.max() == pytest.approx(ends.max())
    if units > 1:
        assert legend(display.ax_) == ["mean of units", "10% to 90% of units"]


def test_the_words_on_mean_and_spread_lie_on_no_title(deep):
    display = GateActivationsDisplay.from_estimator(deep, X, kind="mean", direction="backward")
    drawn(display.figure_)
    assert not overlap(display.ax_.get_legend(), display.ax_.title)
    title = display.axes_[0]._left_title
    assert not overlap(display.ax_.get_legend(), title)


def test_sorted_units_grow_in_their_mean_forget_gate():
    model = net(hidden_layer_sizes=30)
    (found,) = gate_activations(model, X[:1])
    display = GateActivationsDisplay.from_estimator(model, X, sort_units=True)
    rows = display.images_["forget"].get_array()
    assert (np.diff(rows.mean(axis=1)) >= 0).all()
    order = found.forget[0].mean(axis=0).argsort(kind="stable")
    np.testing.assert_allclose(display.images_["input"].get_array(), found.input[0].T[order])


def test_sequences_of_a_list_and_padding_have_their_own_steps():
    model = net(X=[x[:n] for x, n in zip(X, np.arange(80) % 9 + 1, strict=True)])
    for given in ([X[0], X[1, :4]], np.where(np.arange(9)[:, np.newaxis] < 4, X[:2], np.nan)):
        display = GateActivationsDisplay.from_estimator(model, given, sample=1)
        assert display.images_["forget"].get_array().shape == (5, 4)


def test_gates_stay_apart_without_colour_and_open_is_light():
    display = GateActivationsDisplay.from_estimator(net(), X, gates=["forget", "cell"])
    for image in display.images_.values():
        assert (np.diff(lightness(image.get_cmap())) > 0).all()


@pytest.mark.parametrize("n_timesteps", [1, 10_000])
def test_one_step_and_ten_thousand_are_drawn(n_timesteps):
    values = np.random.RandomState(0).uniform(size=(n_timesteps, 200))
    for kind in ("units", "mean"):
        display = GateActivationsDisplay(activations=GateActivations(*[values] * 6)).plot(kind=kind)
        drawn(display.figure_)
        assert 1 <= len(display.axes_[-1].get_xticks()) <= 10


@pytest.mark.parametrize(("given", "message"), [
    ({"gates": ["forgot"]}, "gates must be 'input' or 'forget' or"),
    ({"gates": []}, "gates must name at least one"),
    ({"kind": "bars"}, "kind must be 'units' or 'mean', got 'bars'"),
    ({"layer": 1}, "layer must be an int from -1 to 0, of 1, got 1"),
    ({"layer": "top"}, "layer must be an int"),
    ({"direction": "up"}, "direction must be 'forward' or 'backward', got 'up'"),
    ({"direction": "backward"}, "the net has bidirectional=False"),
    ({"sample": 80}, "sample must be an int from -80 to 79, of the 80 sequences of X, got 80"),
    ({"sample": None}, "sample must be an int"),
])  # fmt: skip
def test_what_gates_do_not_have_is_refused_and_no_figure_made(given, message):
    with pytest.raises(ValueError, match=message):
        GateActivationsDisplay.from_estimator(net(), X, **given)
    assert plt.get_fignums() == []


# --- AttributionDisplay ---------------------------------------------------------------------


@pytest.mark.parametrize("method", [integrated_gradients, input_gradients])
def test_colours_are_attributions_and_lines_the_series(method):
    model = net()
    expected = method(model, X)[7]
    display = AttributionDisplay.from_estimator(model, X, sample=7, method=method.__name__)
    np.testing.assert_allclose(display.attributions, expected, rtol=1e-9)
    for feature in range(2):
        image, line = display.images_[feature], display.lines_[feature]
        np.testing.assert_allclose(image.get_array()[0], expected[:, feature], rtol=1e-9)
        np.testing.assert_array_equal(line.get_ydata(), X[7, :, feature])
        np.testing.assert_array_equal(line.get_xdata(), np.arange(9))
        # The line lies on the colours, inside the panel.
        left, right, low, high = image.get_extent()
        assert (left, right) == (-0.5, 8.5)
        assert low < X[7, :, feature].min() <= X[7, :, feature].max() < high
        # White is 0.
        assert image.get_clim() == (-np.abs(expected).max(), np.abs(expected).max())
    rows = AttributionDisplay.from_estimator(model, X, sample=7, method=method.__name__,
                                             kind="heatmap")  # fmt: skip
    np.testing.assert_allclose(rows.images_[0].get_array()[::-1], expected.T, rtol=1e-9)
    labels = [label.get_text() for label in rows.ax_.get_yticklabels()]
    assert labels[::-1] == ["feature 0", "feature 1"]


@pytest.mark.parametrize("kind", ["series", "heatmap"])
def test_what_is_below_zero_is_hatched_and_nothing_else(kind):
    attributions = np.array([[1.0, 0], [0, -0.7], [-0.01, 0.4]])
    display = AttributionDisplay(attributions=attributions, X=np.zeros((3, 2))).plot(kind=kind)
    hatched = [each for panel in display.axes_ for each in panel.collections if each.get_hatch()]
    (patch,) = hatched
    corners = patch.get_paths()[0].vertices
    assert (corners[:, 0].min(), corners[:, 0].max()) == (0.5, 1.5)
    where = display.axes_.tolist().index(patch.axes)
    assert where == (1 if kind == "series" else 0)
    if kind == "heatmap":
        # The second feature, below the first.
        assert (corners[:, 1].min(), corners[:, 1].max()) == (-0.5, 0.5)
    # And the bar of colours says so.
    (bar,) = [image.colorbar for image in display.images_ if image.colorbar is not None]
    (half,) = [patch for patch in bar.ax.patches if patch.get_hatch()]
    corners = half.get_patch_transform().transform(half.get_path().vertices)[:, 1]
    assert (corners.min(), corners.max()) == (-1, 0)


def test_a_classifier_is_explained_by_the_class_that_it_predicts():
    model = net(LSTMClassifier, LABELS, max_iter=20)
    for sample in (0, 1, 2, 3):
        (label,) = model.predict(X[sample : sample + 1])
        display = AttributionDisplay.from_estimator(model, X, sample=sample)
        expected = integrated_gradients(model, X, output=label)[sample]
        np.testing.assert_allclose(display.attributions, expected, rtol=1e-9)
        assert display.name == f"attribution to {str(label)!r}"


def test_of_quantiles_the_middle_one_is_explained_and_of_steps_the_last():
    model = net(loss="quantile", quantile=[0.1, 0.5, 0.9])
    found = AttributionDisplay.from_estimator(model, X, method="input_gradients").attributions
    np.testing.assert_allclose(found, input_gradients(model, X, output=1)[0], rtol=1e-9)
    model = net(LSTMClassifier, np.where(X[:, :, 0] > 0, "up", "down"), pooling=None)
    found = AttributionDisplay.from_estimator(model, X)
    label = model.predict(X)[0, -1]
    expected = integrated_gradients(model, X, output=(-1, label))[0]
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-9)
    assert found.name == f"attribution at step -1 to {str(label)!r}"


def test_a_baseline_in_the_form_of_x_is_that_of_the_sequence():
    model, baseline = net(), 0.5 * X
    expected = integrated_gradients(model, X, baseline=baseline)[3]
    found = AttributionDisplay.from_estimator(model, X, sample=3, baseline=baseline)
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-9)
    listed = net(X=list(X))
    found = AttributionDisplay.from_estimator(listed, list(X), sample=3, baseline=list(baseline))
    expected = integrated_gradients(listed, list(X), baseline=list(baseline))[3]
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-9)
    found = AttributionDisplay.from_estimator(model, X, sample=3, baseline=[0.0, 1.0])
    expected = integrated_gradients(model, X, baseline=[0.0, 1.0])[3]
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-9)


def titles(display):
    return [panel.get_title(loc="left") for panel in display.axes_]


def test_features_are_called_as_the_columns_are():
    sequences = [pd.DataFrame(x, columns=["wind", "load"]) for x in X]
    model = net(X=sequences)
    assert titles(AttributionDisplay.from_estimator(model, sequences)) == ["wind", "load"]
    columns = [f"{name} t-{step}" for step in range(9, 0, -1) for name in ("wind", "load")]
    table = pd.DataFrame(X.reshape(80, -1), columns=columns)
    model = net(X=table, n_timesteps=9)
    assert titles(AttributionDisplay.from_estimator(model, table)) == ["wind t", "load t"]
    display = AttributionDisplay.from_estimator(model, table, feature_names=["a", "b"])
    assert titles(display) == ["a", "b"]
    with pytest.raises(ValueError, match="a name for each of the 2 features, got 3"):
        AttributionDisplay.from_estimator(model, table, feature_names="abc")


def test_in_a_pipeline_it_is_the_raw_series_that_is_drawn():
    raw = X * [1, 50] + [0, 1000]
    model = LSTMRegressor(4, max_iter=3, random_state=0)
    model = make_pipeline(TimestepTransformer(StandardScaler()), model).fit(raw, Y)
    display = AttributionDisplay.from_estimator(model, raw, sample=5)
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), raw[5, :, 1])
    np.testing.assert_allclose(display.attributions, integrated_gradients(model, raw)[5], rtol=1e-6)


@pytest.mark.parametrize(("kind", "most"), [("series", 6), ("heatmap", 40)])
def test_of_many_features_those_are_drawn_to_which_most_is_attributed(kind, most):
    rng = np.random.RandomState(0)
    attributions = rng.normal(size=(30, 200)) * rng.permutation(200)
    display = AttributionDisplay(attributions=attributions, X=rng.normal(size=(30, 200)))
    display.plot(kind=kind)
    sizes = np.abs(attributions).sum(axis=0)
    assert display.features_ == np.argsort(-sizes)[:most].tolist()
    assert display.ax_.get_title() == f"{most} of 200 features, to which most is attributed"
    chosen = display.plot(kind=kind, features=[7, -1, "feature 3"])
    assert chosen.features_ == [7, 199, 3]
    assert chosen.ax_.get_title() == ""


@pytest.mark.parametrize("n_timesteps", [1, 300, 301, 10_000])
def test_of_long_sequences_a_colour_is_the_sum_of_its_steps(n_timesteps):
    attributions = np.random.RandomState(0).normal(size=(n_timesteps, 1))
    display = AttributionDisplay(attributions=attributions, X=attributions).plot()
    (image,) = display.images_
    colours = image.get_array()[0]
    assert len(colours) <= 300
    width = -(-n_timesteps // 300)
    # Colour k lies over the steps that it adds up.
    for k in (0, len(colours) // 2, len(colours) - 1):
        assert colours[k] == pytest.approx(attributions[k * width : (k + 1) * width].sum())
    left, right = image.get_extent()[:2]
    assert (right - left) / len(colours) == pytest.approx(width)
    assert display.axes_[0].get_xlim() == (-0.5, n_timesteps - 0.5)
    assert len(display.lines_[0].get_xdata()) == n_timesteps
    said = f"{width} together" in display.axes_[0].get_xlabel()
    assert said == (width > 1)


@pytest.mark.parametrize(("given", "message"), [
    ({"kind": "bars"}, "kind must be 'series' or 'heatmap', got 'bars'"),
    ({"method": "shap"}, "method must be 'integrated_gradients' or 'input_gradients'"),
    ({"features": ["wind"]}, "features must be indices from 0 to 1, or names as in"),
    ({"features": []}, "features must name at least one"),
    ({"output": 3}, "output must be"),
    ({"sample": -81}, "sample must be an int from -80 to 79"),
])  # fmt: skip
def test_what_cannot_be_attributed_is_refused_and_no_figure_made(given, message):
    with pytest.raises(ValueError, match=message):
        AttributionDisplay.from_estimator(net(), X, **given)
    assert plt.get_fignums() == []


def test_attributions_of_another_shape_than_the_series_are_refused():
    with pytest.raises(ValueError, match=r"both of shape .* got \(3,\) and \(3, 2\)"):
        AttributionDisplay(attributions=np.ones(3), X=np.ones((3, 2))).plot()


def test_nothing_attributed_is_white():
    display = AttributionDisplay(attributions=np.zeros((5, 1)), X=np.ones((5, 1))).plot()
    assert display.images_[0].get_clim() == (-1, 1)
    assert min(display.images_[0].get_cmap()(0.5)) > 0.95
