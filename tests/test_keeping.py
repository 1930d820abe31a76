"""A model is kept in any of the usual ways, and a file of an older version loads for ever."""

import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence, small_net
from kept_files import FORMS, TWO_KINDS, answers, models
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, StreamingPredictor, TimestepTransformer

KEPT = Path(__file__).parent / "kept"

pytestmark = [
    ignores_convergence,
    # scikit-learn's own, of the scaler in a pipeline.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
]

X = np.random.RandomState(0).normal(size=(40, 6, 2))
Y = X[:, -1, 0]
WORDS = np.array(["fall", "rest", "rise"])[np.digitize(Y, [-0.5, 0.5])]
SHORT = {"max_iter": 2, "random_state": 0}


def in_a_pipeline(net):
    return make_pipeline(TimestepTransformer(StandardScaler()), net)


FITTED = {
    "regressor": lambda: small_net().fit(X, Y),
    "float32": lambda: small_net().fit(X.astype(np.float32), np.column_stack([Y, -Y])),
    "quantiles": lambda: small_net(
        hidden_layer_sizes=np.array([3, 2]), loss="quantile", quantile=np.array([0.1, 0.9]),
        random_state=np.random.RandomState(0),
    ).fit(X, Y),
    "gaussian": lambda: small_net(loss="gaussian", early_stopping=True).fit(X, Y),
    "each step": lambda: small_net(pooling=None, n_iter_no_change=np.inf).fit(X, X[:, :, 0]),
    "two classes": lambda: LSTMClassifier(3, solver="lbfgs", **SHORT).fit(X, Y > 0),
    "words": lambda: LSTMClassifier(3, class_weight={"rise": 2.0}, **SHORT).fit(X, WORDS),
    "objects": lambda: LSTMClassifier(3, **SHORT).fit(X, WORDS.astype(object)),
    "pipeline": lambda: in_a_pipeline(small_net()).fit(X, Y),
}  # fmt: skip
for_each_model = pytest.mark.parametrize("name", FITTED)


def all_answers(model):
    names = "predict", "predict_proba", "decision_function"
    found = [getattr(model, name)(X) for name in names if hasattr(model, name)]
    if getattr(model, "loss", None) == "gaussian":
        found.append(model.predict(X, return_std=True)[1])
    return found


def parameters(model):
    """All but estimators inside, whose own are among them."""
    given = model.get_params().items()
    return {name: value for name, value in given if not isinstance(value, BaseEstimator | list)}


def assert_is(loaded, model):
    """It predicts the same bits, and has the same parameters."""
    assert_same_bits(all_answers(loaded), all_answers(model))
    assert_same_bits(parameters(loaded), parameters(model))


# --- The usual ways -------------------------------------------------------------------------


@for_each_model
def test_pickle_keeps_it(name):
    model = FITTED[name]()
    assert_is(pickle.loads(pickle.dumps(model)), model)


@for_each_model
def test_joblib_keeps_it(name, tmp_path):
    model = FITTED[name]()
    joblib.dump(model, tmp_path / "model.joblib", compress=3)
    assert_is(joblib.load(tmp_path / "model.joblib"), model)


@pytest.mark.parametrize("mmap_mode", ["r", "r+", "c"])
@for_each_model
def test_processes_may_share_the_weights_of_a_joblib_file(name, mmap_mode, tmp_path):
    model = FITTED[name]()
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode)
    net = loaded[-1] if isinstance(loaded, Pipeline) else loaded
    assert isinstance(net._weights, np.memmap)
    assert_same_bits(all_answers(loaded), all_answers(model))


@pytest.mark.parametrize("mmap_mode", ["r", "r+"])
def test_training_goes_on_from_a_mapped_file_and_leaves_it_as_it_is(mmap_mode, tmp_path):
    model = small_net(warm_start=True).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    before = (tmp_path / "model.joblib").read_bytes()
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode)
    assert_same_bits(loaded.fit(X, Y).predict(X), model.fit(X, Y).predict(X))
    assert (tmp_path / "model.joblib").read_bytes() == before


@for_each_model
def test_cloudpickle_keeps_it(name):
    cloudpickle = pytest.importorskip("cloudpickle")
    model = FITTED[name]()
    assert_is(pickle.loads(cloudpickle.dumps(model)), model)


@for_each_model
def test_skops_keeps_it_and_asks_to_trust_nothing_but_classes_of_this_package(name):
    skops = pytest.importorskip("skops.io")
    model = FITTED[name]()
    file = skops.dumps(model)
    unknown = skops.get_untrusted_types(data=file)
    assert all(each.startswith("sklstm.") for each in unknown)
    assert_is(skops.loads(file, trusted=unknown), model)


@pytest.mark.parametrize("wrap", [lambda net: net, in_a_pipeline], ids=["net", "pipeline"])
def test_skops_keeps_a_stream_where_it_stands(wrap):
    skops = pytest.importorskip("skops.io")
    stream = StreamingPredictor(wrap(small_net()).fit(X, Y), n_series=2)
    stream.predict(X[:2, 0])
    file = skops.dumps(stream)
    unknown = skops.get_untrusted_types(data=file)
    assert all(each.startswith("sklstm.") for each in unknown)
    loaded = skops.loads(file, trusted=unknown)
    assert_same_bits(loaded.predict(X[:2, 1]), stream.predict(X[:2, 1]))


@pytest.mark.filterwarnings("ignore")  # MLflow's are its own.
@pytest.mark.parametrize("name", ["regressor", "words", "pipeline"])
def test_mlflow_keeps_it_and_serves_it(name, tmp_path):
    mlflow = pytest.importorskip("mlflow.sklearn")
    model, path = FITTED[name](), tmp_path / "model"
    classes = ["sklstm._regressor.LSTMRegressor", "sklstm._classifier.LSTMClassifier"]
    mlflow.save_model(
        model, path, pip_requirements=[],
        skops_trusted_types=[*classes, "sklstm.preprocessing.TimestepTransformer"],
    )  # fmt: skip
    assert list(path.glob("*.skops"))
    assert_is(mlflow.load_model(str(path)), model)
    served = pytest.importorskip("mlflow.pyfunc").load_model(str(path))
    assert_same_bits(served.predict(X), model.predict(X))


# --- Files of older versions ----------------------------------------------------------------

VERSIONS = sorted(path.name for path in KEPT.iterdir() if (path / "expected.json").exists())
KEPT_MODELS = {name: (form, model, y) for name, form, model, y in models()}
FILES = [
    (version, file.name)
    for version in VERSIONS
    for file in sorted((KEPT / version).iterdir())
    if file.suffix != ".json"
]
for_each_file = pytest.mark.parametrize(("version", "file"), FILES, ids=map("/".join, FILES))


def load(path):
    if path.suffix == ".pickle":
        return pickle.loads(path.read_bytes())
    if path.suffix == ".joblib":
        return joblib.load(path)
    skops = pytest.importorskip("skops.io")
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


def kept(version, file):
    """A model of a file, its X and y, and what it answered when it was written."""
    path = KEPT / version / file
    form, _, y = KEPT_MODELS[path.stem]
    expected = json.loads((KEPT / version / "expected.json").read_text(encoding="utf-8"))
    return load(path), FORMS[form], y, np.array(expected[path.stem])


def test_there_is_a_file_of_each_kind():
    assert VERSIONS == ["0.1.0-5b1c204", "0.1.0-ea43ce9"]
    kinds = {(version, file.rpartition(".")[0]) for version, file in FILES}
    assert kinds == {(version, name) for version in VERSIONS for name in KEPT_MODELS}
    for kind in (".joblib", ".skops"):
        assert [file for _, file in FILES if file.endswith(kind)] == [
            f"{name}{kind}" for _ in VERSIONS for name in TWO_KINDS
        ]


@for_each_file
def test_a_file_of_an_older_version_predicts_what_it_did(version, file):
    model, X, _, expected = kept(version, file)
    # Another processor adds up in another order.
    single = X[0].dtype == np.float32
    tolerance = 1e-5 if single else 1e-12
    np.testing.assert_allclose(answers(model, X), expected, rtol=tolerance, atol=tolerance)


@for_each_file
def test_a_file_of_an_older_version_is_a_model_in_every_way(version, file):
    model, X, y, _ = kept(version, file)
    if isinstance(model, Pipeline):
        X, model = model[:-1].transform(X), model[-1]
    assert_same_bits(answers(pickle.loads(pickle.dumps(model)), X), answers(model, X))
    assert all(np.isfinite(each).all() for each in model.input_weights_)
    before, losses = model.n_iter_, len(model.loss_curve_)
    answers(clone(model).fit(X, y), X)
    epochs = model.set_params(warm_start=True).fit(X, y).n_iter_ - before
    assert 1 <= epochs <= 3
    assert len(model.loss_curve_) == losses + epochs
    if model.early_stopping:
        assert len(model.validation_scores_) == len(model.loss_curve_)
        assert len(model.validation_loss_curve_) == epochs


@pytest.mark.parametrize("version", VERSIONS)
def test_training_goes_on_from_an_older_file_as_if_it_had_not_been_written(version):
    # The epochs of a net that this version fits in one go, with features scaled as it was.
    for name in ("counts", "two"):
        model, X, y, _ = kept(version, f"{name}.pickle")
        anew = clone(KEPT_MODELS[name][1]).set_params(
            normalize_X=model.normalize_X, max_grad_norm=model.max_grad_norm
        )
        for each in (model, anew.fit(X, y)):
            each.set_params(warm_start=True).fit(X, y)
        np.testing.assert_allclose(answers(model, X), answers(anew, X), rtol=1e-9, atol=1e-9)


def test_what_was_never_written_is_still_refused():
    model, *_ = kept("0.1.0-5b1c204", "deep.pickle")
    state = vars(model)
    for name in ("_weights", "_shape", "_target_mean", "_memory"):
        crafted = {key: value for key, value in state.items() if key not in (name, "normalize_X")}
        with pytest.raises(ValueError, match="not the state of a fitted net"):
            LSTMRegressor().__setstate__(crafted)


def test_an_unfitted_model_has_nothing_added():
    for model in (LSTMRegressor(3), LSTMClassifier(3)):
        assert vars(pickle.loads(pickle.dumps(model))) == vars(model)


def test_an_unfitted_model_of_an_older_file_fits_as_it_would_have():
    # Before features were standardised, there was no such parameter.
    state = LSTMRegressor(3, **SHORT).__getstate__()
    del state["normalize_X"]
    model = LSTMRegressor.__new__(LSTMRegressor)
    model.__setstate__(state)
    as_it_would = LSTMRegressor(3, normalize_X=False, **SHORT).fit(X, Y)
    assert_same_bits(clone(model).fit(X, Y).predict(X), as_it_would.predict(X))
