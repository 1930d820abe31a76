"""to_onnx: what ONNX Runtime makes of the model is what the estimator predicts."""

import sys

import numpy as np
import pytest
from conftest import ignores_convergence
from exported import (
    TOLERANCE,
    assert_answers,
    assert_example_runs,
    assert_near,
    classifier,
    random_case,
    regressor,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from sklstm import LSTMRegressor, StreamingPredictor, TimestepTransformer
from sklstm.interop import register_converters, to_onnx

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

pytestmark = ignores_convergence

RNG = np.random.RandomState(0)
X = RNG.normal(size=(20, 6, 3))
Y = X[:, -1, 0]


def session_of(model):
    """A session, after ONNX's own checks of the model."""
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(model, **inputs):
    """The outputs by name."""
    session = session_of(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def sizes(values):
    return {value.name: value.shape for value in values}


@pytest.mark.parametrize("seed", range(200))
def test_random_nets_of_every_kind(seed):
    case = random_case(seed)
    dtype = case.X.dtype.name
    given = {"X": case.X} if case.are_equal else {"X": case.X, "lengths": case.lengths}
    answers = run(to_onnx(case.model, lengths=not case.are_equal), **given)
    assert_answers(answers, case, TOLERANCE[dtype])
    # Also without NaN in what is padding.
    if not case.are_equal:
        filled = np.where(np.isnan(case.X), case.X.dtype.type(7), case.X)
        again = run(to_onnx(case.model, lengths=True), X=filled, lengths=case.lengths)
        assert_answers(again, case, TOLERANCE[dtype])


@pytest.mark.parametrize("seed", range(1000, 1060))
def test_streams_of_every_kind(seed):
    case = random_case(seed, bidirectional=False, are_equal=True)
    session = session_of(to_onnx(case.model, streaming=True))
    stream = StreamingPredictor(case.model, len(case.X))
    first, *inputs = session.get_inputs()
    assert first.name == "X"
    # As the docstring says.
    state = {
        each.name: np.zeros(
            [len(case.X), *each.shape[1:]],
            np.int64 if each.type == "tensor(int64)" else case.X.dtype,
        )
        for each in inputs
    }
    names = [output.name for output in session.get_outputs()]
    assert names[-len(state) :] == [f"next_{name}" for name in state]
    for x in case.X.swapaxes(0, 1):
        answers = dict(zip(names, session.run(None, {"X": x, **state}), strict=True))
        state = {name: answers[f"next_{name}"] for name in state}
        key = "probabilities" if "label" in answers else "variable"
        ask = stream.predict_proba if "label" in answers else stream.predict
        assert_near(answers[key], ask(x), TOLERANCE[case.X.dtype.name])
    for layer, (hidden, cell) in enumerate(stream.state.layers):
        assert_near(state[f"hidden_{layer}"], hidden, TOLERANCE[case.X.dtype.name])
        assert_near(state[f"cell_{layer}"], cell, TOLERANCE[case.X.dtype.name])


def test_all_sizes_but_the_features_are_free():
    model = regressor(4).fit(list(X), Y)
    session = session_of(to_onnx(model))
    assert sizes(session.get_inputs()) == {"X": ["n_samples", "n_timesteps", 3]}
    assert sizes(session.get_outputs()) == {"variable": ["n_samples"]}
    for shape in [(1, 1, 3), (2, 50, 3), (37, 2, 3)]:
        some = RNG.normal(size=shape)
        (y,) = session.run(None, {"X": some})
        np.testing.assert_allclose(y, model.predict(list(some)), rtol=1e-10)


def test_shapes_and_names_are_those_that_the_docstring_names():
    steps = classifier(4, pooling=None).fit(X, X[:, :, 0] > 0)
    assert sizes(session_of(to_onnx(steps)).get_outputs()) == {
        "label": ["n_samples", "n_timesteps"],
        "probabilities": ["n_samples", "n_timesteps", 2],
    }
    both = regressor(4, loss="gaussian").fit(X, X[:, 0, :2])
    session = session_of(to_onnx(both, lengths=True))
    assert sizes(session.get_inputs()) == {
        "X": ["n_samples", "n_timesteps", 3],
        "lengths": ["n_samples"],
    }
    assert sizes(session.get_outputs()) == {
        "variable": ["n_samples", 2],
        "std": ["n_samples", 2],
    }
    mean = regressor((4, 5), pooling="mean").fit(X, Y)
    assert sizes(session_of(to_onnx(mean, streaming=True)).get_inputs()) == {
        "X": ["n_series", 3],
        "hidden_0": ["n_series", 4],
        "cell_0": ["n_series", 4],
        "hidden_1": ["n_series", 5],
        "cell_1": ["n_series", 5],
        "pooled": ["n_series", 5],
        "steps": ["n_series"],
    }


@pytest.mark.parametrize("dtype", ["float32", np.float64])
def test_the_type_can_be_chosen(dtype):
    model = regressor((6, 4), bidirectional=True).fit(X, Y)
    some = X.astype(dtype)
    answer = run(to_onnx(model, dtype=dtype), X=some)["variable"]
    assert answer.dtype == dtype
    assert_near(answer, model.predict(some), TOLERANCE[np.dtype(dtype).name])


@pytest.mark.parametrize("pooling", ["last", None])
def test_large_offsets_do_not_cost_float32_its_digits(pooling):
    # Steps of float32 near a million are 1/16: what is read is as exact as that allows.
    far = (X + 1e6).astype(np.float32)
    y = Y if pooling else X[:, :, 0]
    model = regressor(8, pooling=pooling, learning_rate_init=0.05, max_iter=20).fit(far, y)
    answer = run(to_onnx(model), X=far)["variable"]
    assert_near(answer, model.predict(far), 1e-5)
    # With the scale folded into weights, products would cancel.
    (weights,), (bias,) = model.input_weights_, model.biases_
    folded = far[0, 0] @ weights.T + bias
    exact = far[0, 0].astype(np.float64) @ weights.T.astype(np.float64) + bias
    assert np.abs(folded - exact).max() > 1e-2


def test_a_scaler_of_a_pipeline_does_not_cost_float32_its_digits_either():
    far = (X + 1e6).astype(np.float32)
    model = make_pipeline(TimestepTransformer(StandardScaler()), regressor(8, max_iter=5))
    answer = run(to_onnx(model.fit(far, Y)), X=far)["variable"]
    # scikit-learn itself rounds the mean to float32.
    assert_near(answer, model.predict(far.astype(np.float64)), 1e-5)


SCALERS = [
    StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False),
    MinMaxScaler((-1, 2)), MaxAbsScaler(), RobustScaler(), RobustScaler(with_centering=False),
    RobustScaler(with_scaling=False), make_pipeline(RobustScaler(), "passthrough", MinMaxScaler()),
]  # fmt: skip


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_pipelines_of_scalers(scaler):
    model = make_pipeline(TimestepTransformer(scaler), regressor(4)).fit(X, Y)
    assert_near(run(to_onnx(model), X=X)["variable"], model.predict(X), 1e-10)


@pytest.mark.parametrize("form", ["sequences", "lengths", "stream"])
def test_pipelines_of_any_transformers_that_skl2onnx_knows(form):
    pytest.importorskip("skl2onnx")
    model = make_pipeline(
        TimestepTransformer(make_pipeline(StandardScaler(), PCA(2))),
        TimestepTransformer(MinMaxScaler(clip=True)),
        regressor(4),
    ).fit(list(X), Y)
    if form == "stream":
        state = {"hidden_0": np.zeros((20, 4)), "cell_0": np.zeros((20, 4))}
        answer = run(to_onnx(model, streaming=True), X=X[:, 0], **state)
        expected = model.predict(list(X[:, :1]))
    elif form == "lengths":
        answer = run(to_onnx(model, lengths=True), X=X, lengths=np.full(20, 4))
        expected = model.predict(list(X[:, :4]))
    else:
        answer, expected = run(to_onnx(model), X=X), model.predict(list(X))
    assert_near(answer["variable"], expected, 1e-10)


def test_a_net_fitted_on_columns_reads_them_as_steps():
    model = regressor(4, n_timesteps=3).fit(X.reshape(20, -1), Y)
    answer = run(to_onnx(model), X=X.reshape(20, 3, 6))["variable"]
    assert_near(answer, model.predict(X.reshape(20, -1)), 1e-10)


def test_a_constant_feature_and_one_of_zeros():
    still = np.concatenate([X, np.full((20, 6, 1), 1e6), np.zeros((20, 6, 1))], axis=2)
    for dtype in (np.float32, np.float64):
        model = regressor(4).fit(still.astype(dtype), Y)
        answer = run(to_onnx(model), X=still.astype(dtype))["variable"]
        assert_near(answer, model.predict(still.astype(dtype)), TOLERANCE[np.dtype(dtype).name])


def test_huge_numbers_saturate_as_they_do_here():
    model = regressor(4).fit(X.astype(np.float32), Y)
    huge = np.array([[[3e38, -3e38, 0]], [[-1e30, 1e37, 3e38]]], np.float32)
    model.n_timesteps_ = None
    assert_near(run(to_onnx(model), X=huge)["variable"], model.predict(huge), 1e-5)


def test_the_estimator_stays_as_it_is_and_is_not_shared():
    model = regressor(4).fit(X, Y)
    before = model.predict(X)
    exported = to_onnx(model)
    model._weights[:] = 0
    assert_near(run(exported, X=X)["variable"], before, 1e-10)


def refused(error, message, *arguments, **options):
    with pytest.raises(error, match=message):
        to_onnx(*arguments, **options)


def test_what_cannot_be_had_is_refused_in_a_sentence():
    model = regressor(4).fit(X, Y)
    both = regressor(4, bidirectional=True).fit(X, Y)
    refused(NotFittedError, "not fitted", LSTMRegressor())
    refused(
        TypeError, "estimator must be an LSTMRegressor or LSTMClassifier", Ridge().fit([[1]], [1])
    )
    refused(ValueError, "lengths must be True or False, got 6", model, lengths=6)
    refused(ValueError, "dtype must be float32, float64 or None, got 'int8'", model, dtype="int8")
    refused(ValueError, "dtype must be .* got 'wide'", model, dtype="wide")
    refused(ValueError, "streaming=True wants a net with bidirectional=False", both, streaming=True)
    refused(ValueError, "with streaming=True, leave it out", model, lengths=True, streaming=True)
    tables = make_pipeline(StandardScaler(), regressor(4)).fit(X[:, :, 0], Y)
    refused(TypeError, "StandardScaler in it: wrap it in TimestepTransformer", tables)


def test_parts_that_cut_columns_into_different_steps_are_refused():
    table = X.reshape(20, -1)
    model = make_pipeline(TimestepTransformer(StandardScaler()), regressor(4, n_timesteps=6))
    refused(ValueError, "read 1 and 3 features a step, .* same n_timesteps", model.fit(table, Y))
    model.set_params(timesteptransformer__n_timesteps=6).fit(table, Y)
    assert_near(run(to_onnx(model), X=X)["variable"], model.predict(table), 1e-10)


def test_transformers_that_skl2onnx_does_not_know_are_refused_by_name():
    pytest.importorskip("skl2onnx")
    squared = FunctionTransformer(np.square)
    model = make_pipeline(TimestepTransformer(squared), regressor(4)).fit(X, Y)
    refused(ValueError, "skl2onnx cannot convert FunctionTransformer", model)


def test_labels_that_onnx_has_not_are_refused():
    model = classifier(4).fit(X, Y > 0)
    model.classes_ = np.array([b"no", b"yes"])
    refused(ValueError, "ONNX has labels of texts and of whole numbers", model)
    model.classes_ = np.array([1, 2**64 - 1], np.uint64)
    refused(ValueError, "ONNX has labels of texts and of whole numbers", model)


def test_a_loss_with_an_inverse_link_of_its_own_is_refused(monkeypatch):
    from sklstm._training import losses

    class Cubed(losses.SquaredError):
        def inverse_link(self, raw):
            return raw**3

    monkeypatch.setitem(losses.LOSSES, "squared_error", lambda estimator: Cubed())
    model = regressor(4).fit(X, Y)
    refused(ValueError, "loss='squared_error' .* inverse_link of its own", model)


def test_numbers_that_float32_cannot_hold_are_refused():
    model = regressor(4).fit(X * 1e60, Y)
    refused(ValueError, "float32 cannot hold the weights or scales", model, dtype="float32")
    assert_near(run(to_onnx(model), X=X * 1e60)["variable"], model.predict(X * 1e60), 1e-10)


def test_without_onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    model = regressor(4).fit(X, Y)
    with pytest.raises(ImportError, match=r'to_onnx needs onnx.*pip install "sklstm\[interop\]"'):
        to_onnx(model)


def test_without_skl2onnx_the_error_says_what_to_install_and_for_what(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    model = make_pipeline(TimestepTransformer(PCA(2)), regressor()).fit(X, Y)
    with pytest.raises(ImportError, match=r"a pipeline with PCA needs skl2onnx.*pip install"):
        to_onnx(model)
    with pytest.raises(ImportError, match=r"register_converters needs skl2onnx.*pip install"):
        register_converters()
    # Scalers need it not.
    scaled = make_pipeline(TimestepTransformer(StandardScaler()), regressor()).fit(X, Y)
    assert_near(run(to_onnx(scaled), X=X)["variable"], scaled.predict(X), 1e-10)


def test_the_example_of_the_docstring_runs():
    assert_example_runs(to_onnx)
