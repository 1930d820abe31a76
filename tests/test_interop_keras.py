"""To Keras and back: the same predictions, and models that were trained there go on here.

Keras multiplies matrices and masks in float32 even where its layers are of float64 (issue 23223 of
keras-team/keras), so what it predicts itself is compared to 1e-6.
"""

import copy
import os
import pickle
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence, weights
from exchanged import (
    ARRAY,
    KINDS,
    NETS,
    PADDED,
    POOLINGS,
    TOLERANCE,
    answers,
    close,
    fitted,
    run_examples,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer
from sklstm.inspection import gate_activations, input_gradients
from sklstm.interop import from_keras, to_keras

# Keras needs one of these to run on.
BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch" if find_spec("torch") else "jax")
pytest.importorskip(BACKEND)
keras = pytest.importorskip("keras")
layers = keras.layers
if keras.backend.backend() == "jax":
    pytest.importorskip("jax").config.update("jax_enable_x64", True)

pytestmark = [
    ignores_convergence,
    # Keras's own, of NumPy.
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask"),
]

for_each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
OF_KERAS = 1e-6


@pytest.fixture(autouse=True)
def one_thread_of_pytorch():
    """Its threads spin between calls, and these nets are small."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(model, X):
    """What a model answers, in its own type: `model.predict` reads X in `keras.config.floatx()`."""
    made = model(X)
    if isinstance(made, list | tuple):
        return [np.array(keras.ops.convert_to_numpy(each)) for each in made]
    return np.array(keras.ops.convert_to_numpy(made))


# --- To Keras -------------------------------------------------------------------------------


@for_each_pooling
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_predicts_what_the_estimator_does(kind, pooling):
    dtype = np.float32
    model, X = fitted(kind, dtype, pooling=pooling), PADDED.astype(dtype)
    answer = run(to_keras(model), X)
    if kind.startswith("gaussian"):
        close(answer[1], model.predict(X, return_std=True)[1], OF_KERAS)
        answer = answer[0]
    close(answer, answers(model, X), OF_KERAS)


@for_each_pooling
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_a_model_has_all_layers_and_directions(net, pooling):
    model = fitted("several outputs", pooling=pooling, **net)
    close(run(to_keras(model), PADDED), model.predict(PADDED), OF_KERAS)


def test_keras_predicts_by_itself_what_the_estimator_does():
    X = PADDED.astype(np.float32)
    for kind in ("one output", "three classes"):
        model = fitted(kind, np.float32)
        close(to_keras(model).predict(X, verbose=0), answers(model, X), OF_KERAS)


@pytest.mark.parametrize("normalize", [False, True])
def test_features_and_targets_are_standardised_as_in_the_estimator(normalize):
    model = fitted("one output", normalize_X=normalize, normalize_y=normalize)
    X = PADDED - 1e4 if not normalize else PADDED
    close(run(to_keras(model), X), model.predict(X), OF_KERAS)


def test_quantiles_that_cross_are_sorted():
    model = to_keras(fitted("quantiles"))
    head = model.get_layer("head")
    kernel, _ = head.get_weights()
    head.set_weights([kernel, np.array([3.0, 2.0, 1.0])])
    assert (np.diff(run(model, ARRAY)) >= 0).all()


def test_a_step_that_is_half_missing_is_no_padding():
    X = ARRAY[:2].copy()
    X[0, -1, 0] = np.nan
    answer = run(to_keras(fitted("one output")), X)
    assert np.isnan(answer).tolist() == [True, False]


def test_a_file_is_loaded_where_sklstm_is_not_known(tmp_path):
    for kind in ("gaussian of several outputs", "quantiles of several outputs", "two classes"):
        for pooling in POOLINGS:
            model = to_keras(fitted(kind, pooling=pooling, bidirectional=True))
            model.save(tmp_path / "model.keras")
            loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
            for one, other in zip(
                np.atleast_1d(run(loaded, PADDED)), np.atleast_1d(run(model, PADDED)), strict=True
            ):
                assert_same_bits(one, other)
            modules = {type(each).__module__ for each in loaded.layers}
            assert all(module.startswith("keras.") for module in modules)


def test_a_model_is_trained_in_keras_and_comes_back():
    model = fitted("one output", np.float32)
    X, y = ARRAY.astype(np.float32), np.linspace(0, 1, 30, dtype=np.float32)
    network = to_keras(model)
    network.compile("adam", "mse")
    network.fit(X, y, epochs=2, verbose=0)
    back = from_keras(network)
    close(back.predict(X), run(network, X), OF_KERAS)
    assert not np.allclose(back.predict(X), model.predict(X))


def test_what_to_keras_refuses():
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(2, max_iter=1))
    pipeline.fit(ARRAY, ARRAY[:, 0, 0])
    with pytest.raises(ValueError, match=r"without the transformers .* pass estimator\[-1\]"):
        to_keras(pipeline)
    with pytest.raises(ValueError, match="not fitted"):
        to_keras(LSTMRegressor())


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="Others have float64.")
def test_jax_is_asked_to_allow_float64():
    import jax

    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(ValueError, match="of float64, but Keras on jax keeps them as float32"):
            to_keras(fitted("one output"))
    finally:
        jax.config.update("jax_enable_x64", True)


# --- There and back -------------------------------------------------------------------------


@for_each_pooling
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_is_the_same_net(kind, pooling):
    for dtype in (np.float32, np.float64):
        model, X = fitted(kind, dtype, pooling=pooling), PADDED.astype(dtype)
        back = from_keras(to_keras(model), classes=getattr(model, "classes_", None))
        close(answers(back, X), answers(model, X), TOLERANCE[dtype])
        assert_same_bits(back._weights, model._weights)
        if hasattr(model, "loss"):
            assert back.loss == model.loss
            assert back._fitted_quantile == model._fitted_quantile or model.loss != "quantile"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@for_each_pooling
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_there_and_back_has_the_same_bits_where_nothing_is_standardised(net, pooling, dtype):
    plain = {"normalize_X": False, "normalize_y": False, "pooling": pooling}
    model, X = fitted("several outputs", dtype, **plain, **net), PADDED.astype(dtype)
    back = from_keras(to_keras(model))
    assert_same_bits(weights(back), weights(model))
    assert_same_bits(back.predict(X), model.predict(X))


def test_a_loaded_file_comes_back_too(tmp_path):
    model = fitted("quantiles", pooling="max")
    to_keras(model).save(tmp_path / "model.keras")
    back = from_keras(keras.saving.load_model(tmp_path / "model.keras"))
    close(back.predict(PADDED), model.predict(PADDED), 1e-12)
    assert back.get_params()["quantile"] == (0.1, 0.5, 0.9)


# --- Models that Keras made and trained -----------------------------------------------------

X = np.random.RandomState(1).normal(size=(40, 7, 2)).astype(np.float32)
Y = X[:, -1, :1] - X[:, -2, 1:]
LABELS = np.digitize(Y[:, 0], [-1, 0, 1])


def trained(*stack, loss="mse", y=Y):
    """A Sequential model after some epochs."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((None, 2)), *stack])
    model.compile(keras.optimizers.Adam(0.05), loss)
    model.fit(X, y, epochs=2, batch_size=20, verbose=0)
    return model


STACKS = {
    "one layer": lambda: [layers.LSTM(5), layers.Dense(1)],
    "two layers": lambda: [layers.LSTM(5, return_sequences=True), layers.LSTM(3), layers.Dense(1)],
    "dropout": lambda: [
        layers.LSTM(5, return_sequences=True, dropout=0.2, recurrent_dropout=0.2, seed=0),
        layers.Dropout(0.5, seed=0), layers.LSTM(3), layers.Dropout(0.5, seed=0), layers.Dense(1),
    ],
    "both directions": lambda: [
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(3)), layers.Dense(1),
    ],
    "mean": lambda: [
        layers.LSTM(5, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(1),
    ],
    "largest of both directions": lambda: [
        layers.Bidirectional(layers.LSTM(5, return_sequences=True)), layers.GlobalMaxPooling1D(),
        layers.Dense(1),
    ],
    "without biases": lambda: [layers.LSTM(5, use_bias=False), layers.Dense(1, use_bias=False)],
    "implementation 1": lambda: [layers.LSTM(5, implementation=1), layers.Dense(1)],
    "scaled features": lambda: [
        layers.Rescaling(0.5, 1.0), layers.Normalization(mean=[0.1, -0.2], variance=[4.0, 0.25]),
        layers.LSTM(5), layers.Dense(1),
    ],
    "an activation of its own": lambda: [
        layers.LSTM(5), layers.Dense(1), layers.Activation("linear")
    ],
}  # fmt: skip


@pytest.mark.parametrize("stack", STACKS)
def test_a_model_that_keras_trained_predicts_the_same_here(stack):
    peer = trained(*STACKS[stack]())
    model = from_keras(peer)
    close(model.predict(X), run(peer, X)[:, 0], OF_KERAS)
    shorter = [sequence[: 2 + i % 6] for i, sequence in enumerate(X[:6])]
    one_by_one = np.concatenate([run(peer, each[np.newaxis]) for each in shorter])
    close(model.predict(shorter), one_by_one[:, 0], OF_KERAS)


@pytest.mark.parametrize("wrap", [lambda dense: dense, layers.TimeDistributed])
def test_a_model_with_an_output_at_each_step_has_one_here(wrap):
    stack = layers.LSTM(5, return_sequences=True), wrap(layers.Dense(2))
    peer = trained(*stack, y=np.repeat(Y[:, np.newaxis], 7, axis=1) * [1, -1])
    model = from_keras(peer)
    assert model.pooling is None
    close(model.predict(X), run(peer, X), OF_KERAS)


def test_a_functional_model_is_read_in_its_order():
    inputs = keras.Input((7, 2))
    hidden = layers.LSTM(3, return_sequences=True)(layers.Masking()(inputs))
    peer = keras.Model(inputs, layers.Dense(2)(layers.LSTM(4)(hidden)))
    close(from_keras(peer).predict(X), run(peer, X), OF_KERAS)
    nested = keras.Sequential([keras.Input((7, 2)), peer])
    close(from_keras(nested).predict(X), run(peer, X), OF_KERAS)


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [layers.LSTM(5), layers.Dense(1)],
        lambda: [layers.Bidirectional(layers.LSTM(5)), layers.Dense(1)],
        lambda: [
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GlobalAveragePooling1D(), layers.Dense(1),
        ],
        lambda: [
            layers.LSTM(5, return_sequences=True), layers.GlobalMaxPooling1D(), layers.Dense(1),
        ],
    ],
    ids=["last", "both directions", "mean", "max"],
)  # fmt: skip
def test_steps_that_a_model_masks_are_left_out(stack):
    peer = trained(layers.Masking(-9.0), *stack())
    shorter = [sequence[: 2 + i % 6] for i, sequence in enumerate(X)]
    masked = np.full_like(X, -9.0)
    for row, sequence in zip(masked, shorter, strict=True):
        row[: len(sequence)] = sequence
    close(from_keras(peer).predict(shorter), run(peer, masked)[:, 0], OF_KERAS)


@pytest.mark.parametrize("end", ["softmax", "Softmax", "logits"])
def test_a_softmax_is_a_classifier(end):
    last = {"softmax": [layers.Dense(4, "softmax")], "logits": [layers.Dense(4)]}
    stack = last.get(end) or [layers.Dense(4), layers.Softmax()]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=end == "logits")
    peer = trained(layers.LSTM(5), *stack, loss=loss, y=LABELS)
    probabilities = run(peer, X)
    if end == "logits":
        probabilities = np.exp(probabilities)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        model = from_keras(peer, classes=range(4))
    else:
        model = from_keras(peer)
    assert isinstance(model, LSTMClassifier)
    close(model.predict_proba(X), probabilities.astype(np.float64), OF_KERAS)
    assert model.predict(X).tolist() == probabilities.argmax(axis=1).tolist()
    names = from_keras(peer, classes=["d", "c", "b", "a"])
    close(names.predict_proba(X), model.predict_proba(X)[:, ::-1], 1e-12)


def test_two_outputs_or_one_are_two_classes():
    two = trained(
        layers.LSTM(5), layers.Dense(2, "softmax"), loss="sparse_categorical_crossentropy",
        y=LABELS > 1,
    )  # fmt: skip
    close(from_keras(two).predict_proba(X), run(two, X).astype(np.float64), OF_KERAS)
    one = trained(
        layers.LSTM(5), layers.Dense(1, "sigmoid"), loss="binary_crossentropy", y=LABELS > 1
    )
    model = from_keras(one, classes=["low", "high"])
    column = model.classes_.tolist().index("high")
    close(model.predict_proba(X)[:, column], run(one, X)[:, 0].astype(np.float64), OF_KERAS)


def test_an_exponential_is_a_mean_of_counts():
    peer = trained(layers.LSTM(5), layers.Dense(1, "exponential"), loss="poisson", y=np.abs(Y))
    model = from_keras(peer)
    assert model.loss == "poisson"
    close(model.predict(X), run(peer, X)[:, 0], OF_KERAS)


def test_outputs_may_be_quantiles_or_means_and_deviations():
    peer = trained(layers.LSTM(5), layers.Dense(2), y=Y * [1, 2])
    raw = run(peer, X)
    band = from_keras(peer, loss="quantile", quantile=[0.1, 0.9])
    close(band.predict(X), np.sort(raw), OF_KERAS)
    mean, deviation = from_keras(peer, loss="gaussian").predict(X, return_std=True)
    close(np.stack([mean, np.log(deviation)], axis=1), raw, OF_KERAS)


def test_training_goes_on_with_warm_start_and_partial_fit():
    peer = trained(layers.LSTM(5), layers.Dense(1))
    model = from_keras(peer).set_params(warm_start=True, max_iter=30, learning_rate_init=0.02)
    before = model.score(X, Y[:, 0])
    assert model.fit(X, Y[:, 0]).score(X, Y[:, 0]) > before
    model = from_keras(peer).set_params(learning_rate_init=0.02)
    for _ in range(30):
        model.partial_fit(X, Y[:, 0])
    assert model.score(X, Y[:, 0]) > before


def test_a_net_of_keras_is_an_estimator_in_every_way():
    peer = trained(layers.LSTM(5, return_sequences=True), layers.LSTM(3), layers.Dense(1))
    model = from_keras(peer)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same_bits(other.predict(X), model.predict(X))
    stream = StreamingPredictor(model)
    assert_same_bits([stream.predict(x[None])[0] for x in X[0]][-1], model.predict(X[:1])[0])
    assert [each.input.shape[2] for each in gate_activations(model, X)] == [5, 3]
    assert input_gradients(model, X).shape == X.shape
    search = GridSearchCV(model, {"max_iter": [1, 2]}, cv=2).fit(X, Y[:, 0])
    assert search.best_estimator_.predict(X).shape == (40,)
    close(run(to_keras(model), X), model.predict(X), OF_KERAS)


# --- Test vectors that Keras publishes ------------------------------------------------------

# keras/src/layers/rnn/lstm_test.py of keras-team/keras at commit 12ada9a: numbers and settings.
PUBLISHED = {
    "correctness": ({}, [0.6288687, 0.86899155, 0.9460773]),
    "unroll": ({"unroll": True}, [0.6288687, 0.86899155, 0.9460773]),
    "unit_forget_bias": ({"unit_forget_bias": False}, [0.57019705, 0.8661914, 0.9459622]),
    "use_bias": ({"use_bias": False}, [0.54986924, 0.86226785, 0.9443936]),
}
BACKWARDS = [0.35622165, 0.74789524, 0.8872726]
# As published.
PUBLISHED_TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def constant(units, **options):
    constants = {"kernel": 0.01, "recurrent": 0.02, "bias": 0.03}
    initializers = {
        f"{name}_initializer": keras.initializers.Constant(value)
        for name, value in constants.items()
    }
    return layers.LSTM(units, **initializers, **options)


def hidden_states(layer, n_features, n_hidden):
    """An estimator that predicts what a layer puts out, with a head that changes nothing."""
    same = layers.Dense(n_hidden, kernel_initializer="identity")
    return from_keras(keras.Sequential([keras.Input((None, n_features)), layer, same]))


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_vectors_of_keras_lstm_tests_hold(name, implementation):
    options, expected = PUBLISHED[name]
    sequence = np.arange(72).reshape((3, 6, 4)).astype("float32")
    model = hidden_states(constant(3, implementation=implementation, **options), 4, 3)
    expected = np.repeat(np.reshape(expected, (3, 1)), 3, axis=1)
    np.testing.assert_allclose(model.predict(sequence), expected, **PUBLISHED_TOLERANCE)


def test_the_vectors_of_keras_masking_tests_hold():
    sequence = np.arange(24).reshape((2, 4, 3)).astype("float32")
    without_masked_steps = [sequence[0, :3], sequence[1, :2]]
    model = hidden_states(constant(2, unroll=True), 3, 2)
    expected = [[0.11755939, 0.11755939], [0.28556206, 0.28556206]]
    np.testing.assert_allclose(model.predict(without_masked_steps), expected, **PUBLISHED_TOLERANCE)
    each = hidden_states(constant(2, return_sequences=True), 3, 2).predict(without_masked_steps)
    expected = [[0.01588910, 0.05552048, 0.11755939], [0.14185596, 0.28556206]]
    for steps, numbers in zip(each, expected, strict=True):
        np.testing.assert_allclose(steps, np.stack([numbers] * 2, 1), **PUBLISHED_TOLERANCE)


def test_the_vectors_of_keras_backward_tests_hold_in_the_backward_direction():
    sequence = np.arange(72).reshape((3, 6, 4)).astype("float32")
    model = hidden_states(layers.Bidirectional(constant(3)), 4, 6)
    expected = np.repeat(np.stack([PUBLISHED["correctness"][1], BACKWARDS], 1), 3, axis=1)
    np.testing.assert_allclose(model.predict(sequence), expected, **PUBLISHED_TOLERANCE)
    backwards = hidden_states(constant(3), 4, 3).predict(sequence[:, ::-1])
    np.testing.assert_allclose(backwards, expected[:, 3:], **PUBLISHED_TOLERANCE)


# --- What stands in the way -----------------------------------------------------------------


def sequential(*stack):
    return keras.Sequential([keras.Input((7, 2)), *stack])


def branching():
    x = keras.Input((7, 2))
    sides = [layers.LSTM(3)(x), layers.LSTM(3)(x)]
    return keras.Model(x, layers.Dense(1)(layers.Concatenate()(sides)))


def with_an_operation():
    x = keras.Input((7, 2))
    return keras.Model(x, layers.Dense(1)(layers.LSTM(3)(keras.ops.sin(x))))


def with_a_mask():
    x = keras.Input((7, 2))
    return keras.Model(x, layers.Dense(1)(layers.LSTM(3)(x, mask=x[..., 0] > 0)))


def with_two_outputs():
    x = keras.Input((7, 2))
    h = layers.LSTM(3)(x)
    return keras.Model(x, [layers.Dense(1)(h), layers.Dense(1)(h)])


def subclassed():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.lstm, self.dense = layers.LSTM(3), layers.Dense(1)

        def call(self, x):
            return self.dense(self.lstm(x))

    model = Own()
    model(X)
    return model


def lstm(**options):
    return lambda: sequential(layers.LSTM(3, name="top", **options), layers.Dense(1))


def both(**options):
    cell = layers.LSTM(3, return_sequences=options.pop("return_sequences", False))
    return layers.Bidirectional(cell, name="top", **options)


REFUSED = {
    "a GRU": (r"of the kind GRU", lambda: sequential(layers.GRU(3), layers.Dense(1))),
    "a cell in RNN": (
        "of the kind RNN", lambda: sequential(layers.RNN(layers.LSTMCell(3)), layers.Dense(1))
    ),
    "a GRU in both directions": (
        "must be of LSTM layers, got GRU",
        lambda: sequential(layers.Bidirectional(layers.GRU(3)), layers.Dense(1)),
    ),
    "a convolution": (
        "of the kind Conv1D",
        lambda: sequential(layers.Conv1D(2, 1), layers.LSTM(3), layers.Dense(1)),
    ),
    "two dense layers": (
        "and one Dense, got 1, 0 and 2",
        lambda: sequential(layers.LSTM(3), layers.Dense(4), layers.Dense(1)),
    ),
    "no dense layer": ("and one Dense, got 1, 0 and 0", lambda: sequential(layers.LSTM(3))),
    "all steps side by side": (
        "of the kind Flatten",
        lambda: sequential(
            layers.LSTM(3, return_sequences=True), layers.Flatten(), layers.Dense(1)
        ),
    ),
    "an activation": (
        "must have activation='tanh', got 'relu'", lstm(activation="relu")
    ),
    "a recurrent activation": (
        "'top' must have recurrent_activation='sigmoid', got 'hard_sigmoid'",
        lstm(recurrent_activation="hard_sigmoid"),
    ),
    "backwards alone": ("must have go_backwards=False, got True", lstm(go_backwards=True)),
    "sums of directions": (
        "merge_mode='concat', got 'sum'",
        lambda: sequential(both(merge_mode="sum"), layers.Dense(1)),
    ),
    "an activation at the end": (
        "must end in no activation, or in 'exponential', 'sigmoid' or 'softmax', got 'relu'",
        lambda: sequential(layers.LSTM(3), layers.Dense(1, "relu")),
    ),
    "labels that may come together": (
        "A sigmoid of 3 outputs", lambda: sequential(layers.LSTM(3), layers.Dense(3, "sigmoid"))
    ),
    "a softmax of one": (
        "A softmax of one output is always 1",
        lambda: sequential(layers.LSTM(3), layers.Dense(1, "softmax")),
    ),
    "masked steps in the largest": (
        "also takes the zeros at masked steps",
        lambda: sequential(
            layers.Masking(), both(return_sequences=True), layers.GlobalMaxPooling1D(),
            layers.Dense(1),
        ),
    ),
    "branches": ("must follow one another", branching),
    "an operation": (r"must follow one another, but '.*' reads 'sin", with_an_operation),
    "an operation that makes a mask": (r"operations between its layers, \['", with_a_mask),
    "two outputs": ("must have one output, got 2", with_two_outputs),
    "half precision": (
        "float32 or float64, got float16",
        lambda: sequential(layers.LSTM(3, dtype="float16"), layers.Dense(1, dtype="float16")),
    ),
    "no weights": (
        "has no weights yet", lambda: keras.Sequential([layers.LSTM(3), layers.Dense(1)])
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_from_keras_refuses(why):
    match, make = REFUSED[why]
    with pytest.raises(ValueError, match=match):
        from_keras(make())


def test_a_stateful_layer_is_refused():
    model = keras.Sequential(
        [keras.Input(batch_shape=(4, 7, 2)), layers.LSTM(3, stateful=True), layers.Dense(1)]
    )
    with pytest.raises(ValueError, match="must have stateful=False, got True"):
        from_keras(model)


def test_a_layer_that_only_has_a_name_of_keras_is_refused():
    class LSTM(layers.LSTM):
        """With equations of its own."""

    with pytest.raises(ValueError, match=r"of the kind test_interop_keras\.LSTM"):
        from_keras(sequential(LSTM(3), layers.Dense(1)))


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"must be a keras.Model, got LSTM"):
        from_keras(layers.LSTM(3))
    with pytest.raises(TypeError, match=r"Sequential or functional model, got .*\.Own"):
        from_keras(subclassed())


def test_classes_that_do_not_go_with_the_model_are_refused():
    softmax = sequential(layers.LSTM(3), layers.Dense(3, "softmax"))
    with pytest.raises(ValueError, match="A net of 3 outputs tells 3 classes apart, got 2"):
        from_keras(softmax, classes=["a", "b"])
    counts = sequential(layers.LSTM(3), layers.Dense(1, "exponential"))
    with pytest.raises(ValueError, match="ends in 'exponential' is no classifier"):
        from_keras(counts, classes=[0, 1])


def test_without_keras_the_error_says_what_to_install(monkeypatch):
    model = fitted("one output")
    monkeypatch.setitem(sys.modules, "keras", None)
    for call in (lambda: to_keras(model), lambda: from_keras(model)):
        with pytest.raises(ImportError, match=r'pip install "sklstm\[interop\]"'):
            call()


def test_the_examples_of_the_docstrings_run():
    for function in (to_keras, from_keras):
        run_examples(function, {})
