"""register_converters: skl2onnx converts whole pipelines, with the names and types that it uses."""

import numpy as np
import pytest
from conftest import ignores_convergence
from exported import TOLERANCE, assert_example_runs, assert_near, classifier, random_case, regressor
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklstm import TimestepTransformer
from sklstm.interop import register_converters

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
types = pytest.importorskip("skl2onnx.common.data_types")

pytestmark = ignores_convergence

RNG = np.random.RandomState(0)
TABLE = RNG.normal(size=(40, 12))
X = TABLE.reshape(40, 4, 3)
Y = TABLE[:, 0]
WORDS = np.where(Y > 0, "up", "down")
LABELS = {
    "words": WORDS,
    "whole numbers": np.digitize(Y, [-0.5, 0.5]) * 10,
    "bools": Y > 0,
    "floats": np.digitize(Y, [-0.5, 0.5]) * 1.0,
}


@pytest.fixture(autouse=True, scope="module")
def _registered():
    register_converters()
    # Again, which does no harm.
    register_converters()


def convert(model, X, **options):
    """What skl2onnx makes of it, after ONNX's own checks."""
    converted = skl2onnx.to_onnx(model, X[:1], **options)
    onnx.checker.check_model(converted, full_check=True)
    onnx.shape_inference.infer_shapes(converted, strict_mode=True, data_prop=True)
    return session_of(converted)


def session_of(converted):
    return runtime.InferenceSession(
        converted.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def run(session, X):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: X}), strict=True))


def kinds(session):
    return {output.name: output.type for output in session.get_outputs()}


def assert_converts(model, X):
    for dtype in (np.float32, np.float64):
        some = X.astype(dtype)
        answer = run(convert(model, some), some)["variable"]
        expected = model.predict(some)
        assert answer.shape == (expected.shape if expected.ndim > 1 else (len(X), 1))
        assert_near(answer.reshape(expected.shape), expected, TOLERANCE[np.dtype(dtype).name])


@pytest.mark.parametrize("seed", range(300, 336))
def test_random_nets_of_every_kind(seed):
    case = random_case(seed, are_equal=True)
    model, is_gaussian = case.model, case.kind == "gaussian"
    options = {"zipmap": False} if case.kind.endswith("classes") else {"return_std": True}
    options = {id(model): options} if is_gaussian or "zipmap" in options else None
    answers = run(convert(model, case.X, options=options), case.X)
    expected = case.answers
    assert answers.keys() == expected.keys()
    for name in answers.keys() - {"label"}:
        wanted = expected[name]
        assert_near(answers[name].reshape(wanted.shape), wanted, TOLERANCE[case.X.dtype.name])


def test_a_scaler_on_columns_and_an_estimator():
    assert_converts(
        make_pipeline(StandardScaler(), regressor(4)).fit(TABLE, Y),
        TABLE,
    )
    in_blocks = make_pipeline(StandardScaler(), regressor(4, n_timesteps=4))
    assert_converts(in_blocks.fit(TABLE, TABLE[:, :2]), TABLE)


@pytest.mark.parametrize(
    "inner", [StandardScaler(), PCA(2), make_pipeline(StandardScaler(), PCA(2))]
)
def test_a_scaler_of_time_steps_and_an_estimator(inner):
    model = make_pipeline(TimestepTransformer(inner), regressor(4))
    assert_converts(model.fit(X, Y), X)
    on_columns = make_pipeline(
        TimestepTransformer(inner, n_timesteps=4),
        regressor(4, n_timesteps=4),
    )
    assert_converts(on_columns.fit(TABLE, Y), TABLE)


def test_a_transformer_of_time_steps_alone():
    model = TimestepTransformer(PCA(2)).fit(X)
    assert_near(run(convert(model, X), X)["variable"], model.transform(X), 1e-10)


def test_three_dimensions_for_a_net_that_was_fitted_on_them():
    session = convert(regressor(4).fit(list(X), Y), X)
    assert session.get_inputs()[0].shape[1:] == [4, 3]
    free = [("X", types.DoubleTensorType([None, None, 3]))]
    model = regressor(4).fit(list(X), Y)
    converted = skl2onnx.convert_sklearn(model, initial_types=free)
    session = session_of(converted)
    assert_near(run(session, X[:, :2])["variable"][:, 0], model.predict(list(X[:, :2])), 1e-10)


def test_whole_numbers_are_read_as_float32():
    counts = RNG.randint(0, 9, (40, 5))
    model = regressor(4).fit(counts.astype(np.float32), Y)
    answer = run(convert(model, counts), counts)["variable"][:, 0]
    assert_near(answer, model.predict(counts.astype(np.float32)), 1e-5)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("zipmap", [True, False, "columns"])
def test_labels_and_probabilities_are_called_as_skl2onnx_calls_them(labels, zipmap):
    some = TABLE.astype(np.float32)
    model = make_pipeline(StandardScaler(), classifier(4)).fit(some, labels)
    peer = make_pipeline(StandardScaler(), LogisticRegression()).fit(some, labels)
    options = {"zipmap": zipmap}
    session = convert(model, some, options=options)
    of_peer = session_of(skl2onnx.to_onnx(peer, some[:1], options=options))
    assert kinds(session) == kinds(of_peer)
    answers, of_peer = run(session, some), run(of_peer, some)
    label, *rest = answers
    np.testing.assert_array_equal(answers[label], model.predict(some))
    assert answers[label].dtype == of_peer[label].dtype
    expected = model.predict_proba(some)
    if zipmap == "columns":
        probabilities = np.stack([answers[name] for name in rest], axis=1)
    elif zipmap:
        dicts = answers["output_probability"]
        assert list(dicts[0]) == list(of_peer["output_probability"][0])
        probabilities = np.array([list(each.values()) for each in dicts])
    else:
        probabilities = answers["probabilities"]
    assert_near(probabilities, expected, 1e-5)


def test_numbers_in_the_place_of_labels_on_request():
    model = classifier(4).fit(TABLE, WORDS)
    options = {id(model): {"nocl": True, "zipmap": False}}
    answers = run(convert(model, TABLE, options=options), TABLE)
    np.testing.assert_array_equal(model.classes_[answers["label"]], model.predict(TABLE))


def test_the_deviation_on_request():
    model = regressor(4, loss="gaussian").fit(X, Y)
    mean, std = model.predict(X, return_std=True)
    answers = run(convert(model, X, options={id(model): {"return_std": True}}), X)
    assert_near(answers["variable"][:, 0], mean, 1e-10)
    assert_near(answers["std"][:, 0], std, 1e-10)
    # And not again, when nobody asks.
    assert run(convert(model, X), X).keys() == {"variable"}
    other = regressor(4).fit(X, Y)
    with pytest.raises(ValueError, match=r"return_std=True wants a net .* loss='gaussian'"):
        convert(other, X, options={id(other): {"return_std": True}})


def test_inside_searches_and_ensembles():
    search = GridSearchCV(regressor(4), {"normalize_X": [True, False]}, cv=2)
    assert_converts(search.fit(TABLE, Y), TABLE)
    several = VotingRegressor([(str(n), regressor(n)) for n in (2, 3)])
    assert_converts(several.fit(TABLE, Y), TABLE)


@pytest.mark.parametrize("opset", [14, 17, 18, 21])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_older_and_newer_operators(opset, dtype, pooling):
    some = X.astype(dtype)
    model = regressor((4, 3), bidirectional=True, pooling=pooling)
    model.fit(some, some[:, :, 0] if pooling is None else Y)
    answer = run(convert(model, some, target_opset=opset), some)["variable"]
    expected = model.predict(some)
    assert_near(answer.reshape(expected.shape), expected, TOLERANCE[np.dtype(dtype).name])


class Unknown(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


def test_what_cannot_be_had_is_refused_in_a_sentence():
    steps = classifier(4, pooling=None).fit(X, X[:, :, 0] > 0)
    with pytest.raises(ValueError, match=r"no dict a row: pass options={'zipmap': False}"):
        convert(steps, X.astype(np.float32))
    labels = classifier(4).fit(TABLE, WORDS)
    with pytest.raises(ValueError, match=r"dicts \(ZipMap\) of float32 alone.*'zipmap': False"):
        convert(labels, TABLE)
    net = regressor(4).fit(TABLE, Y)
    columns = [(f"x{k}", types.FloatTensorType([None, 1])) for k in range(12)]
    with pytest.raises(ValueError, match="LSTMRegressor wants one input with all of X, got 12"):
        skl2onnx.convert_sklearn(net, initial_types=columns)
    with pytest.raises(ValueError, match="wants an input of shape"):
        skl2onnx.convert_sklearn(net, initial_types=[("X", types.FloatTensorType([None]))])
    for transformer in (Unknown(), FunctionTransformer(np.square)):
        unknown = make_pipeline(TimestepTransformer(transformer), regressor(4))
        with pytest.raises(ValueError, match="skl2onnx cannot convert"):
            convert(unknown.fit(X, Y), X)


def test_the_example_of_the_docstring_runs():
    assert_example_runs(register_converters)
