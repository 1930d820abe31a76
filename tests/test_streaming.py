"""Streams: the bits of predict on the whole past, at the cost of a step."""

import copy
import pickle
import threading

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer

pytestmark = ignores_convergence
STEPS, FEATURES = 9, 3
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
UNITS = {1: (17,), 2: (16, 5), 3: (6, 9, 4)}


def series_of(n, dtype=np.float64, seed=0):
    X = np.random.RandomState(seed).normal(size=(n, STEPS, FEATURES)).cumsum(axis=1)
    return (3 + X).astype(dtype)


def fitted(estimator=LSTMRegressor, dtype=np.float64, n_outputs=1, **parameters):
    """Fitted on sequences of all lengths, so that it takes any."""
    X = series_of(60, dtype)
    lengths = np.arange(60) % STEPS + 1
    if estimator is LSTMClassifier:
        y = np.searchsorted([2, 4][:n_outputs], X[:, 0, 0])
    else:
        y = np.abs(X[:, 0, :n_outputs]).squeeze()
    model = estimator(max_iter=2, random_state=0, **parameters)
    return model.fit([x[:length] for x, length in zip(X, lengths, strict=True)], y)


def assert_streams(model, X, methods=("predict",)):
    """After every step, each method answers what it answers for the whole past, bit for bit."""
    streams = [StreamingPredictor(model, len(X)) for _ in methods]
    for t in range(X.shape[1]):
        for stream, method in zip(streams, methods, strict=True):
            answer = getattr(stream, method)(X[:, t])
            assert_same_bits(answer, getattr(model, method)(X[:, : t + 1]))


# --- The same bits --------------------------------------------------------------------------


@for_each_dtype
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("n_series", [1, 7, 1000])
def test_a_stream_has_the_bits_of_the_whole_past(dtype, depth, pooling, n_series):
    model = fitted(dtype=dtype, hidden_layer_sizes=UNITS[depth], pooling=pooling)
    assert_streams(model, series_of(n_series, dtype, seed=1))


@for_each_dtype
@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gaussian"]
)
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("normalize_X", [True, False])
def test_for_each_loss(dtype, loss, n_outputs, normalize_X):
    model = fitted(dtype=dtype, loss=loss, n_outputs=n_outputs, normalize_X=normalize_X)
    assert_streams(model, series_of(7, dtype, seed=1))


@for_each_dtype
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_for_all_that_a_classifier_answers(dtype, n_outputs):
    model = fitted(LSTMClassifier, dtype, n_outputs)
    assert len(model.classes_) == n_outputs + 1
    methods = "predict", "predict_proba", "predict_log_proba", "decision_function"
    assert_streams(model, series_of(7, dtype, seed=1), methods)


@for_each_dtype
def test_through_a_pipeline_of_transformers(dtype):
    X = series_of(40, dtype)
    scalers = TimestepTransformer(StandardScaler()), TimestepTransformer(MinMaxScaler())
    pipeline = make_pipeline(*scalers, "passthrough", LSTMRegressor(max_iter=2))
    sequences = [x[: 1 + i % STEPS] for i, x in enumerate(X)]
    assert_streams(pipeline.fit(sequences, X[:, 0, 0]), X[:5])


@for_each_dtype
def test_a_net_of_the_other_type_is_read_in_that_of_the_steps(dtype):
    other = np.float64 if dtype is np.float32 else np.float32
    assert_streams(fitted(dtype=other), series_of(3, dtype, seed=1))


def test_steps_may_be_lists_frames_or_whole_numbers():
    pd = pytest.importorskip("pandas")
    model, whole = fitted(), np.arange(6).reshape(2, 3)
    expected = StreamingPredictor(model, 2).predict(whole.astype(float))
    for x in (
        whole,
        whole.tolist(),
        pd.DataFrame(whole),
        whole.astype(">f8"),
        whole[::1].T.copy().T,
    ):
        assert_same_bits(StreamingPredictor(model, 2).predict(x), expected)


# --- State is a value -----------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_two_futures_from_one_past(pooling):
    model, X = fitted(pooling=pooling, hidden_layer_sizes=(16, 5)), series_of(4, seed=1)
    stream = StreamingPredictor(model, 4)
    for t in range(4):
        stream.predict(X[:, t])
    now, futures = stream.state, []
    for sign in (1, -1, 1):
        stream.state = now
        futures.append([stream.predict(sign * X[:, t]) for t in range(4, STEPS)])
    assert_same_bits(futures[0], futures[2])
    assert (futures[0][0] != futures[1][0]).any()
    assert_same_bits(futures[0][-1], model.predict(X))
    with_its_past = np.concatenate([X[:, :4], -X[:, 4:]], axis=1)
    assert_same_bits(futures[1][-1], model.predict(with_its_past))


def test_a_state_has_the_hidden_and_cell_state_of_each_layer():
    stream = StreamingPredictor(fitted(hidden_layer_sizes=(6, 9, 4)), 2)
    zero = stream.state
    assert [(h.shape, c.shape) for h, c in zero.layers] == [((2, u), (2, u)) for u in (6, 9, 4)]
    assert not any(array.any() for layer in zero.layers for array in layer)
    stream.predict(series_of(2)[:, 0])
    # A copy: it does not change with the stream.
    assert not any(array.any() for layer in zero.layers for array in layer)
    assert list(stream.state.steps) == [1, 1]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("rows", [1, [1, 2], np.array([False, True, True, False]), None])
def test_some_series_start_anew_beside_the_others(pooling, rows):
    model, X = fitted(pooling=pooling), series_of(4, seed=1)
    stream = StreamingPredictor(model, 4)
    for t in range(4):
        stream.predict(X[:, t])
    stream.reset(rows)
    anew = np.zeros(4, bool)
    anew[slice(None) if rows is None else rows] = True
    for t in range(4, STEPS):
        past = [x[4 : t + 1] if new else x[: t + 1] for x, new in zip(X, anew, strict=True)]
        assert_same_bits(stream.predict(X[:, t]), model.predict(past))


def pickled(stream):
    return pickle.loads(pickle.dumps(stream))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_copy_goes_its_own_way(duplicate, steps_before):
    model, X = fitted(pooling="mean"), series_of(2, seed=1)
    stream = StreamingPredictor(model, 2)
    for t in range(steps_before):
        stream.predict(X[:, t])
    other = duplicate(stream)
    for t in range(steps_before, STEPS):
        other.predict(-X[:, t])
        assert_same_bits(stream.predict(X[:, t]), model.predict(list(X[:, : t + 1])))


def test_a_later_fit_does_not_change_a_stream():
    model, X = fitted(), series_of(2, seed=1)
    stream, before = StreamingPredictor(model, 2), model.predict(list(X[:, :1]))
    model.fit(X, -X[:, 0, 0])
    assert_same_bits(stream.predict(X[:, 0]), before)


# --- What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.zeros((2, 2)), r"of shape \(n_series, n_features\) = \(2, 3\), got shape \(2, 2\)"),
        (np.zeros(3), r"got shape \(3,\)"),
        (np.zeros((1, 3)), r"got shape \(1, 3\)"),
        (np.zeros((2, 1, 3)), r"got shape \(2, 1, 3\)"),
        ([[np.nan, 0, 0], [0, 0, 0]], "Input x contains NaN"),
        ([[0, 0, 0], [0, 0, np.inf]], "Input x contains infinity"),
        ([["a", "b", "c"]] * 2, "x must be numbers"),
        (np.zeros((2, 3), complex), "x must be numbers"),
    ],
)
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_step_that_is_refused_leaves_the_stream_as_it_was(x, match, steps_before):
    model, X = fitted(pooling="mean"), series_of(2, seed=1)
    stream = StreamingPredictor(model, 2)
    for t in range(steps_before):
        stream.predict(X[:, t])
    with pytest.raises(ValueError, match=match):
        stream.predict(x)
    expected = model.predict(list(X[:, : steps_before + 1]))
    assert_same_bits(stream.predict(X[:, steps_before]), expected)


def test_nets_that_cannot_stream_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="bidirectional=False"):
        StreamingPredictor(fitted(bidirectional=True))
    with pytest.raises(NotFittedError):
        StreamingPredictor(LSTMRegressor())
    with pytest.raises(TypeError, match="got StandardScaler"):
        StreamingPredictor(StandardScaler())
    X = np.random.RandomState(0).normal(size=(20, 5))
    pipeline = make_pipeline(StandardScaler(), LSTMRegressor(max_iter=1)).fit(X, X[:, 0])
    with pytest.raises(TypeError, match="wrap it in TimestepTransformer"):
        StreamingPredictor(pipeline)
    for n_series in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="n_series"):
            StreamingPredictor(fitted(), n_series)
    assert not hasattr(StreamingPredictor(fitted()), "predict_proba")
    with pytest.raises(TypeError, match="got NoneType"):
        StreamingPredictor(Pipeline([]))


def test_a_state_of_another_net_is_refused():
    stream = StreamingPredictor(fitted(hidden_layer_sizes=4), 2)
    other = StreamingPredictor(fitted(hidden_layer_sizes=5), 2)
    before = stream.state
    with pytest.raises(ValueError, match="shapes"):
        stream.state = other.state
    assert_same_bits(stream.state.layers[0][0], before.layers[0][0])


def test_the_number_of_series_cannot_be_changed():
    stream = StreamingPredictor(fitted(), 2)
    with pytest.raises(AttributeError):
        stream.n_series = 0
    state = stream.__getstate__()
    for n_series in (0, -1):
        with pytest.raises(ValueError, match="n_series"):
            stream.__setstate__({**state, "_n_series": n_series})


@pytest.mark.parametrize(
    "rows", [99, [0, 7], -5, [True], np.ones((2, 4), bool), True, [[0, 1]], 0.5, "a"]
)
@pytest.mark.parametrize("steps_before", [0, 2])
def test_rows_that_there_are_not_are_refused_and_nothing_is_reset(rows, steps_before):
    stream, X = StreamingPredictor(fitted(), 4), series_of(4)
    for t in range(steps_before):
        stream.predict(X[:, t])
    before = stream.state
    with pytest.raises((IndexError, ValueError)):
        stream.reset(rows)
    assert_same_bits(flat(stream.state), flat(before))


def flat(state):
    return [*(array for layer in state.layers for array in layer), state.pooled, state.steps]


@pytest.mark.parametrize("rows", [(0, 2), [], range(1, 3), np.int64(1), -1])
def test_rows_may_be_any_sequence(rows):
    stream = StreamingPredictor(fitted(), 4)
    stream.predict(series_of(4)[:, 0])
    stream.reset(rows)
    expected = np.ones(4, int)
    expected[list(rows) if np.ndim(rows) else rows] = 0
    assert list(stream.state.steps) == list(expected)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: None,
        lambda s: s.layers,
        lambda s: s._replace(pooled=np.full(s.pooled.shape, "a")),
        lambda s: s._replace(pooled=s.pooled * 1j),
        lambda s: s._replace(layers=[(np.nan * h, c) for h, c in s.layers]),
        lambda s: s._replace(steps=[1.5, 2.0]),
        lambda s: s._replace(steps=[-1, 2]),
        lambda s: s._replace(steps=[1]),
    ],
)
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_state_that_no_steps_lead_to_is_refused(spoil, steps_before):
    stream, X = StreamingPredictor(fitted(pooling="mean"), 2), series_of(2)
    for t in range(steps_before):
        stream.predict(X[:, t])
    before = stream.state
    with pytest.raises(ValueError, match="state must"):
        stream.state = spoil(before)
    assert_same_bits(flat(stream.state), flat(before))


@for_each_dtype
def test_a_look_at_the_state_changes_nothing(dtype):
    model, X = fitted(dtype=np.float64), series_of(2, dtype)
    stream = StreamingPredictor(model, 2)
    stream.state  # noqa: B018
    assert_same_bits(stream.predict(X[:, 0]), model.predict(X[:, :1]))


def test_a_state_may_be_plain_lists():
    stream = StreamingPredictor(fitted(), 2)
    stream.predict(series_of(2)[:, 0])
    layers, pooled, steps = stream.state
    expected = stream.predict(series_of(2)[:, 1])
    stream.state = ([(h.tolist(), c.tolist()) for h, c in layers], pooled.tolist(), steps.tolist())
    assert_same_bits(stream.predict(series_of(2)[:, 1]), expected)


@for_each_dtype
def test_lists_are_read_in_the_type_of_the_net_as_predict_reads_them(dtype):
    model, X = fitted(dtype=dtype), series_of(2, np.float64)
    stream = StreamingPredictor(model, 2)
    for t in range(3):
        answer = stream.predict(X[:, t].tolist())
        assert_same_bits(answer, model.predict([x[: t + 1] for x in X]))


# --- Pipelines ------------------------------------------------------------------------------


def test_a_later_fit_of_a_pipeline_does_not_change_a_stream():
    X = list(series_of(40))
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(max_iter=2))
    pipeline.fit(X, np.arange(40.0))
    stream, expected = StreamingPredictor(pipeline), pipeline.predict([X[0][:1]])
    pipeline.fit([100 + 50 * x for x in X], np.arange(40.0))
    assert_same_bits(stream.predict(X[0][:1]), expected)


def test_a_pipeline_may_fill_gaps():
    X = series_of(40)[:, :, :1]
    pipeline = make_pipeline(TimestepTransformer(SimpleImputer()), LSTMRegressor(max_iter=2))
    pipeline.fit(list(X), np.arange(40.0))
    past = np.array([[[1.0], [np.nan], [2.0]]])
    stream = StreamingPredictor(pipeline)
    answers = [stream.predict(past[:, t]) for t in range(3)]
    assert_same_bits(answers[2], pipeline.predict(past))


def test_steps_of_2d_x_are_its_blocks():
    X = series_of(40).reshape(40, -1)
    scaler = TimestepTransformer(StandardScaler(), n_timesteps=STEPS)
    pipeline = make_pipeline(scaler, LSTMRegressor(n_timesteps=STEPS, max_iter=2))
    pipeline.fit(X, X[:, 0])
    stream = StreamingPredictor(pipeline, 40)
    for block in np.split(X, STEPS, axis=1):
        answer = stream.predict(block)
    assert_same_bits(answer, pipeline.predict(X))


@pytest.mark.parametrize("x", [3.0, [1.0, 2.0, 3.0], np.zeros((1, 1, 3)), np.zeros((1, 4))])
def test_a_pipeline_refuses_another_shape_in_the_same_words(x):
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(max_iter=1))
    pipeline.fit(list(series_of(10)), np.arange(10.0))
    with pytest.raises(ValueError, match="x must be one step of each series"):
        StreamingPredictor(pipeline).predict(x)
    with pytest.raises(ValueError, match="masked"):
        StreamingPredictor(pipeline).predict(np.ma.masked_greater([[1.0, 2.0, 99.0]], 50))


def test_threads_may_share_a_stream():
    model, X = fitted(), series_of(2000)
    stream, expected, answers = StreamingPredictor(model, 2000), set(), []
    alone = StreamingPredictor(model, 2000)
    for _ in range(40):
        expected.add(alone.predict(X[:, 0]).tobytes())

    def work():
        answers.extend(stream.predict(X[:, 0]).tobytes() for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == expected
    assert set(stream.state.steps) == {40}


def test_numpy_settings_do_not_matter():
    model, x = fitted(dtype=np.float64), np.zeros((1, FEATURES), np.float32)
    model._weights[0] = 1e-50
    with np.errstate(all="raise"):
        answer = StreamingPredictor(model).predict(x)
    assert_same_bits(answer, model.predict(x[:, np.newaxis]))


def test_deviations_come_with_each_step(X3):
    X = X3
    model = LSTMRegressor(4, loss="gaussian", max_iter=2, random_state=0).fit(list(X), X[:, -1, 0])
    stream = StreamingPredictor(model)
    for t in range(X.shape[1]):
        expected = model.predict([X[0, : t + 1]], return_std=True)
        assert_same_bits(stream.predict(X[0, t : t + 1], return_std=True), expected)
    other = StreamingPredictor(LSTMRegressor(4, max_iter=1).fit(X, X[:, -1, 0]))
    with pytest.raises(ValueError, match="return_std=True wants a net that was fitted with loss="):
        other.predict(X[0, :1], return_std=True)


def test_a_state_that_a_stream_of_float32_cannot_hold_is_refused(X3):
    X = X3.astype(np.float32)
    stream = StreamingPredictor(LSTMRegressor(4, max_iter=1).fit(X, X[:, -1, 0]))
    stream.predict(X[0, :1])
    state = stream.state
    large = [(hidden.astype(float) + 1e300, cell) for hidden, cell in state.layers]
    with pytest.raises(ValueError, match="finite in float32"):
        stream.state = state._replace(layers=large)
    with pytest.raises(ValueError, match="whole numbers of steps from 0 on"):
        stream.state = state._replace(steps=np.array([2**63], np.uint64))
    assert_same_bits(stream.state, state)
