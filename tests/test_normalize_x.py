"""normalize_X: features of any units and offsets learn as scaled ones do."""

import copy
import pickle

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from ragged import STEPS, Y, for_each_form, in_a_list, padded

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._forms import Expected
from sklstm._scaling import FeatureMoments, mean_and_deviation
from sklstm._sequences import read_sequences

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_TRAIN = 200


@pytest.fixture(name="data", scope="module")
def sequences_and_targets():
    """300 sequences of 3 features, of mean 0 and deviation 1, and what the last steps add up to."""
    X = np.random.RandomState(0).normal(size=(300, 12, 3))
    return X, X[:, -1, 0] + X[:, -3, 1]


def scaling_of(X, sample_weight=None):
    """What a fit would subtract, and what it would divide by."""
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    sequences = read_sequences(X, Expected(LSTMRegressor()))
    moments = FeatureMoments(sequences.n_features, np.asarray(weight, float))
    moments.add(sequences.records, 0, sequences.dtype)
    mean, inverse = moments.scaling(sequences.records, sequences.dtype)
    return mean, 1 / inverse


# --- What is learned, on the defaults -------------------------------------------------------

UNITS = {
    "as they are": (np.float64, 1.0, 0.0),
    "x * 10 + 1000": (np.float64, 10.0, 1000.0),
    "an offset of a million deviations": (np.float64, 1.0, 1e6),
    "in millions": (np.float64, 1e6, 0.0),
    "in millionths": (np.float64, 1e-6, 0.0),
    "in millionths, off by a million of these": (np.float64, 1e-6, 1.0),
    "float32, an offset of ten thousand deviations": (np.float32, 1.0, 1e4),
    "float32, in millions, off by ten thousand of these": (np.float32, 1e6, 1e10),
    "float32, in millionths": (np.float32, 1e-6, 0.0),
}


@pytest.fixture(name="scaled_score", scope="module")
def score_of_scaled_inputs(data):
    X, y = data
    scaled = (X - X[:N_TRAIN].mean(axis=(0, 1))) / X[:N_TRAIN].std(axis=(0, 1))
    model = LSTMRegressor(normalize_X=False, random_state=0).fit(scaled[:N_TRAIN], y[:N_TRAIN])
    return model.score(scaled[N_TRAIN:], y[N_TRAIN:])


@pytest.mark.parametrize(("dtype", "scale", "offset"), UNITS.values(), ids=UNITS)
def test_any_units_and_offsets_score_within_002_of_scaled_inputs(
    data, scaled_score, dtype, scale, offset
):
    X, y = data
    X = (X * scale + offset).astype(dtype)
    model = LSTMRegressor(random_state=0).fit(X[:N_TRAIN], y[:N_TRAIN])
    assert scaled_score > 0.9
    assert abs(model.score(X[N_TRAIN:], y[N_TRAIN:]) - scaled_score) < 0.02


def test_labels_are_learned_from_any_units_too(data):
    X, y = data
    scores = [
        LSTMClassifier(random_state=0)
        .fit(form(X[:N_TRAIN]), y[:N_TRAIN] > 0)
        .score(form(X[N_TRAIN:]), y[N_TRAIN:] > 0)
        for form in (np.asarray, lambda X: X * 10 + 1000)
    ]
    assert min(scores) > 0.7
    assert abs(scores[1] - scores[0]) < 0.02


def test_each_feature_has_its_own_scale(data):
    X, y = data
    model, other = LSTMRegressor(random_state=0), LSTMRegressor(random_state=0)
    model.fit(X[:N_TRAIN], y[:N_TRAIN])
    mixed = X * [1e-3, 1e5, 1.0] + [7.0, -1e6, 3e3]
    other.fit(mixed[:N_TRAIN], y[:N_TRAIN])
    # Rounding in the offsets, which training lets grow.
    np.testing.assert_allclose(other.predict(mixed), model.predict(X), atol=1e-4)


def test_lags_of_a_level_far_from_0_are_learned_in_2d():
    series = 1000 + 10 * np.sin(np.arange(400) / 3)
    X = np.lib.stride_tricks.sliding_window_view(series, 13)
    model = LSTMRegressor(random_state=0).fit(X[:300, :12], X[:300, 12])
    assert model.score(X[300:, :12], X[300:, 12]) > 0.99


# --- The moments ----------------------------------------------------------------------------


@for_each_form
def test_moments_are_over_the_real_steps_alone(form):
    steps = np.concatenate(STEPS)
    mean, deviation = scaling_of_fit(small_net().fit(form(STEPS), Y))
    np.testing.assert_allclose(mean, steps.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(deviation, steps.std(axis=0), rtol=1e-12)


def scaling_of_fit(model):
    return model._scaling[0], 1 / model._scaling[1]


def test_bits_do_not_depend_on_the_form_or_the_memory(X3, y):
    plain = small_net().fit(X3, y)
    far_apart = np.zeros((40, 12, 7))
    far_apart[:, ::2, 1:6:4] = X3
    views = {
        "2-D": (X3.reshape(40, -1), {"n_timesteps": 6}),
        "a list": (list(X3), {}),
        "Fortran": (np.asfortranarray(X3), {}),
        "strided": (far_apart[:, ::2, 1:6:4], {}),
    }
    for name, (X, parameters) in views.items():
        assert_same_bits(small_net(**parameters).fit(X, y)._scaling, plain._scaling), name
    assert_same_bits(small_net().fit(STEPS, Y)._scaling, small_net().fit(padded(STEPS), Y)._scaling)


def test_blocks_give_the_moments_of_the_whole(X3, y, monkeypatch):
    whole = small_net().fit(X3, y)
    monkeypatch.setattr("sklstm._sequences._BLOCK", 30)
    for form in (np.asarray, list):
        assert_same_bits(small_net().fit(form(X3), y)._scaling, whole._scaling)


def test_a_memory_map_is_as_good_as_the_array(X3, y, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, 50 + X3)
    mapped = np.load(path, mmap_mode="r")
    model = small_net().fit(mapped, y)
    assert_same_bits(weights(model), weights(small_net().fit(50 + X3, y)))
    assert_same_bits(model.predict(mapped), model.predict(50 + X3))


def test_weights_are_repetitions_of_rows():
    rng = np.random.RandomState(0)
    weight = rng.randint(4, size=len(STEPS))
    repeated = [steps for steps, n in zip(STEPS, weight, strict=True) for _ in range(n)]
    weighted, counted = scaling_of(STEPS, weight), scaling_of(repeated)
    np.testing.assert_allclose(weighted, counted, rtol=1e-12)


def test_a_row_of_weight_0_may_hold_anything(X3, y):
    weight = np.ones(40)
    weight[5] = 0
    spoiled = X3.copy()
    spoiled[5] = 1e100
    assert_same_bits(
        small_net().fit(spoiled, y, weight)._scaling, small_net().fit(X3, y, weight)._scaling
    )


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_held_out_do_not_count(X3, y, shuffle):
    settings = {"early_stopping": True, "shuffle": shuffle, "validation_fraction": 0.25}
    model = small_net(**settings).fit(X3, y)
    assert not np.array_equal(model._scaling, small_net().fit(X3, y)._scaling)
    if not shuffle:
        assert_same_bits(model._scaling, small_net().fit(X3[:30], y[:30])._scaling)


def test_validation_data_do_not_count_but_are_scaled_alike(X3, y):
    far = 1000 + 10 * X3
    model = small_net(max_iter=30, learning_rate_init=0.05)
    model.fit(far[:30], y[:30], X_val=far[30:], y_val=y[30:])
    assert_same_bits(model._scaling, small_net().fit(far[:30], y[:30])._scaling)
    np.testing.assert_allclose(
        max(model.validation_scores_), model.score(far[30:], y[30:]), rtol=1e-9
    )


EXTREME = {
    "1e-200": (1e-200, 0.0),
    "1e-160": (1e-160, 0.0),
    "1e160": (1e160, 0.0),
    "1e300": (1e300, 0.0),
    "1e155 off by as much": (1e155, 1e155),
}


@pytest.mark.parametrize(("scale", "offset"), EXTREME.values(), ids=EXTREME)
def test_sizes_whose_squares_overflow_or_vanish_are_scaled_too(X3, scale, offset):
    mean, deviation = scaling_of(X3 * scale + offset)
    np.testing.assert_allclose(mean, X3.mean(axis=(0, 1)) * scale + offset, rtol=1e-9)
    np.testing.assert_allclose(deviation, X3.std(axis=(0, 1)) * scale, rtol=1e-9)


def test_numbers_too_large_to_subtract_are_refused(X3, y):
    X3[:, :, 1] *= 1.7e308 / np.abs(X3[:, :, 1]).max()
    model = small_net()
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match="Feature 1 of X has numbers too large"):
        model.fit(X3, y)
    assert_same_bits(vars(model), before)


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e-30), (np.float64, 1e-200)])
def test_numbers_far_beyond_those_of_the_fit_saturate_and_are_no_nan(X3, y, dtype, scale):
    model = small_net().fit((X3 * scale).astype(dtype), y)
    far = np.full((1, 6, 2), 1e9 if dtype is np.float32 else 1e300, dtype)
    for X in (far, -far):
        assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_features_are_only_centred(X3, y, value, dtype):
    if dtype is np.float32 and value == 1e300:
        value = 1e30
    X = np.concatenate([X3, np.full((40, 6, 1), value)], axis=2).astype(dtype)
    model = small_net().fit(X, y)
    assert model._scaling[0, 2] == X[0, 0, 2]
    assert model._scaling[1, 2] == 1
    assert np.isfinite(model.predict(X)).all()


def test_a_single_step_is_constant():
    model = small_net().fit([[3.0]], [1.0])
    assert model._scaling.tolist() == [[3.0], [1.0]]


# --- The same for targets -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-6, 1e155, 1e300])
def test_targets_of_any_size_are_standardised(X, y, scale):
    mean, deviation = mean_and_deviation(scale * y[:, np.newaxis], np.ones(len(y)))
    np.testing.assert_allclose(
        [mean / scale, deviation / scale], [[y.mean()], [y.std()]], rtol=1e-9
    )
    model, plain = small_net(max_iter=30).fit(X, scale * y), small_net(max_iter=30).fit(X, y)
    np.testing.assert_allclose(model.predict(X) / scale, plain.predict(X), rtol=1e-9)


# --- Going on -------------------------------------------------------------------------------


def test_the_first_chunk_fixes_the_scale_of_the_features(X3, y):
    stream = small_net().partial_fit(50 + 3 * X3[:20], y[:20])
    first = stream._scaling.copy()
    assert_same_bits(stream.partial_fit(200 + X3[20:], y[20:])._scaling, first)
    np.testing.assert_allclose(first[0], 50 + 3 * X3[:20].mean(axis=(0, 1)), rtol=1e-12)


def test_the_first_fit_of_a_warm_start_fixes_it(X3, y):
    model = small_net(warm_start=True).fit(X3[:20], y[:20])
    first = model._scaling.copy()
    for normalize_X in (True, False):
        model.set_params(normalize_X=normalize_X).fit(5 + X3, y)
        assert_same_bits(model._scaling, first)
    assert not np.array_equal(model.set_params(warm_start=False).fit(X3, y)._scaling, first)


def test_a_refused_fit_leaves_the_scale_as_it_was(X3, y):
    model = small_net().fit(X3, y)
    before = copy.deepcopy(vars(model))
    bad = 7 + X3
    bad[-1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.fit(bad, y)
    assert_same_bits(vars(model), before)


# --- What comes out -------------------------------------------------------------------------


@pytest.mark.parametrize("net", [{}, {"bidirectional": True, "hidden_layer_sizes": (4, 3)}])
@for_each_form
def test_predictions_are_the_twins_with_folded_weights(form, net):
    sequences = [1000 + 10 * steps for steps in STEPS]
    model = small_net(max_iter=20, **net).fit(form(sequences), Y)
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    raw, _ = reference.forward(
        padded(sequences), {name: getattr(model, f"{name}_") for name in names},
        bidirectional=bool(net), pooling="last", lengths=[len(steps) for steps in sequences],
    )  # fmt: skip
    # What 100 deviations of offset cost in the twin, which folds.
    np.testing.assert_allclose(model.predict(form(sequences)), raw[:, 0], rtol=1e-10, atol=1e-10)


def test_a_row_alone_has_the_bits_that_it_has_in_a_batch(X3, y):
    for dtype in (np.float32, np.float64):
        X = (1e4 + X3).astype(dtype)
        model = small_net().fit(X, y)
        together = model.predict(X)
        alone = np.concatenate([model.predict(X[i : i + 1]) for i in range(len(X))])
        assert_same_bits(alone, together)


def test_without_it_features_are_taken_as_they_are(X3, y):
    model = small_net(normalize_X=False).fit(X3, y)
    assert model._scaling.tolist() == [[0, 0], [1, 1]]


def test_a_pickled_net_scales_as_before(X3, y):
    model = small_net().fit(1e3 + X3, y)
    assert_same_bits(pickle.loads(pickle.dumps(model)).predict(1e3 + X3), model.predict(1e3 + X3))


def test_lists_learn_in_any_units():
    far = [1e5 + 10 * steps for steps in STEPS]
    near = small_net(max_iter=50).fit(STEPS, Y)
    np.testing.assert_allclose(
        small_net(max_iter=50).fit(in_a_list(far), Y).predict(far), near.predict(STEPS), atol=1e-6
    )
