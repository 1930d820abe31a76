"""Fitted attributes: documented ones and no others, the net that predicts, and its history."""

import inspect
import itertools
import re

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from sklearn.neural_network import MLPRegressor

from sklstm import LSTMRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Fitted attributes ----------------------------------------------------------------------

DEEP = {"hidden_layer_sizes": (5, 3), "bidirectional": True, "pooling": "mean"}


@pytest.fixture(scope="module")
def deep():
    """Two bidirectional layers of 5 and 3 units, 3 outputs, 40 samples, 6 steps of 2 features."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(40, 12)), rng.normal(size=(40, 3))
    return small_net(n_timesteps=6, max_iter=4, **DEEP).fit(X, y)


ATTRIBUTES = {
    "n_features_in_": 12,
    "n_timesteps_": 6,
    "n_outputs_": 3,
    "n_layers_": 4,
    "n_iter_": 4,
    "t_": 160,
}
SHAPES = {
    "input_weights_": [(20, 2), (20, 2), (12, 10), (12, 10)],
    "recurrent_weights_": [(20, 5), (20, 5), (12, 3), (12, 3)],
    "biases_": [(20,), (20,), (12,), (12,)],
    "output_weights_": (3, 6),
    "output_bias_": (3,),
}
HISTORY = ["loss_", "best_loss_", "loss_curve_"]


def documented_attributes():
    docstring = inspect.getdoc(LSTMRegressor)
    section = docstring.split("Attributes\n")[1].split("References\n")[0]
    lines = re.findall(r"^(\w.*) : ", section, re.M)
    return {name for line in lines for name in line.split(", ")}


def test_the_attributes_of_the_docstring_are_there_after_fit(deep):
    documented = documented_attributes()
    assert documented >= ATTRIBUTES.keys() | SHAPES.keys() | set(HISTORY)
    missing = {name for name in documented if not hasattr(deep, name)}
    assert missing <= {"feature_names_in_"}


def test_no_attribute_is_there_before_fit():
    model = small_net()
    assert not [name for name in vars(model) if name.endswith("_")]
    assert not [name for name in documented_attributes() if hasattr(model, name)]


def test_every_public_fitted_attribute_is_documented(deep):
    public = {name for name in dir(deep) if name.endswith("_") and not name.startswith("_")}
    assert public <= documented_attributes()


@pytest.mark.parametrize(("name", "value"), ATTRIBUTES.items())
def test_counts(deep, name, value):
    assert getattr(deep, name) == value
    assert isinstance(getattr(deep, name), int)


@pytest.mark.parametrize(("name", "shapes"), SHAPES.items())
def test_weights_have_the_shapes_of_the_field(deep, name, shapes):
    value = getattr(deep, name)
    if isinstance(shapes, list):
        assert isinstance(value, list)
        assert [array.shape for array in value] == shapes
    else:
        assert value.shape == shapes


def test_losses_are_one_number_for_each_epoch(deep):
    assert len(deep.loss_curve_) == 4
    assert all(isinstance(loss, float) for loss in deep.loss_curve_)
    assert deep.loss_ == deep.loss_curve_[-1]
    assert deep.best_loss_ == min(deep.loss_curve_)


def test_weights_can_be_read_but_not_changed(deep):
    before = weights(deep)
    groups = deep.input_weights_, deep.recurrent_weights_, deep.biases_
    for array in [*itertools.chain(*groups), deep.output_weights_, deep.output_bias_]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert_same_bits(weights(deep), before)


def test_who_sets_weights_is_told_how_they_come_in(deep):
    for name in SHAPES:
        with pytest.raises(AttributeError, match=f"{name} cannot be set: .*interop.from_torch"):
            setattr(deep, name, getattr(deep, name))


def test_fitted_state_is_arrays_numbers_and_lists(deep):
    plain = np.ndarray, int, float, str, bool, type(None)

    def check(value):
        if isinstance(value, list | tuple):
            for entry in value:
                check(entry)
        elif isinstance(value, dict):
            check(list(value.items()))
        else:
            assert isinstance(value, plain), type(value)

    check(deep.__getstate__())


@pytest.mark.parametrize("normalize_y", [True, False])
@pytest.mark.parametrize("architecture", [{}, DEEP], ids=["one layer", "deep"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_attributes_are_the_net_that_predicts_in_the_units_of_y(
    X3, y, architecture, n_outputs, normalize_y
):
    targets = 1e3 + 1e2 * np.column_stack([y, -y, y**2])[:, :n_outputs].squeeze()
    model = small_net(max_iter=40, normalize_y=normalize_y, **architecture).fit(X3, targets)
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    net = {name: getattr(model, name + "_") for name in names}
    options = {name: architecture[name] for name in ("bidirectional", "pooling") if architecture}
    raw, _ = reference.forward(X3, net, **options)
    assert_allclose(model.predict(X3), raw.squeeze(), rtol=1e-10, atol=1e-10)


# --- As MLPRegressor ------------------------------------------------------------------------


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
