"""Kernels read at addresses: what leads them astray is refused before, and never read."""

import copy
import io
import pickle
import threading
import warnings

import numpy as np
import pytest
from conftest import assert_same_bits, small_net
from problems import make_problem
from ragged import STEPS, Y

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._network.parameters import Architecture
from sklstm._network.rounds import Predictor, TwoWay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).normal(size=(40, 6, 2))
NETS = {
    "regressor": LSTMRegressor(4, max_iter=2, random_state=0).fit(X, X[:, 0]),
    "deep": LSTMRegressor((3, 2), bidirectional=True, solver="sgd", max_iter=2, random_state=0).fit(
        X.astype(np.float32), X[:, 0, 0]
    ),
    "classifier": LSTMClassifier(4, max_iter=2, random_state=0).fit(X, np.arange(40) % 3),
}

# --- Crafted files --------------------------------------------------------------------------


def cut(array):
    return array[: len(array) // 2]


CRAFTED_ARRAYS = {
    "cut off": cut,
    "empty": lambda a: a[:0],
    "one too few": lambda a: a[:-1],
    "longer": lambda a: np.concatenate([a, a]),
    "another dimension": lambda a: a[np.newaxis],
    "a number": lambda a: a.dtype.type(0),
    "float16": lambda a: a.astype(np.float16),
    "complex": lambda a: a.astype(complex),
    "integers": lambda a: a.astype(np.int64),
    "objects": lambda a: a.astype(object),
    "strings": lambda a: a.astype(str),
    "a list": lambda a: a.tolist(),
    "None": lambda a: None,
    "a masked array": lambda a: np.ma.array(a),
}
ARRAYS = "_weights", "_scaled_weights", "_scaling", "_target_mean", "_target_deviation"
CRAFTED_SHAPES = {
    "more features": lambda f, u, b, p, o: (f + 1, u, b, p, o),
    "many features": lambda f, u, b, p, o: (10**6, u, b, p, o),
    "no features": lambda f, u, b, p, o: (0, u, b, p, o),
    "a float of features": lambda f, u, b, p, o: (float(f), u, b, p, o),
    "more units": lambda f, u, b, p, o: (f, (*u[:-1], u[-1] + 1), b, p, o),
    "many units": lambda f, u, b, p, o: (f, (10**9,), b, p, o),
    "fewer units": lambda f, u, b, p, o: (f, (*u[:-1], u[-1] - 1), b, p, o),
    "negative units": lambda f, u, b, p, o: (f, tuple(-n for n in u), b, p, o),
    "no units": lambda f, u, b, p, o: (f, (), b, p, o),
    "a list of units": lambda f, u, b, p, o: (f, list(u), b, p, o),
    "a number of units": lambda f, u, b, p, o: (f, u[0], b, p, o),
    "a layer more": lambda f, u, b, p, o: (f, (*u, 2), b, p, o),
    "the other directions": lambda f, u, b, p, o: (f, u, not b, p, o),
    "directions of no kind": lambda f, u, b, p, o: (f, u, 2, p, o),
    "another pooling": lambda f, u, b, p, o: (f, u, b, "sum", o),
    "more outputs": lambda f, u, b, p, o: (f, u, b, p, o + 7),
    "no outputs": lambda f, u, b, p, o: (f, u, b, p, 0),
    "True outputs": lambda f, u, b, p, o: (f, u, b, p, True) if o != 1 else (True, u, b, p, o),
    "shorter": lambda f, u, b, p, o: (f, u, b, p),
    "longer": lambda f, u, b, p, o: (f, u, b, p, o, 1),
    "None": lambda *shape: None,
}


def crafted_states():
    """(name, state) of nets that no fit leaves behind."""
    for net, model in NETS.items():
        state = model.__getstate__()
        for name in ARRAYS:
            for what, spoil in CRAFTED_ARRAYS.items():
                yield f"{net}: {name} {what}", state | {name: spoil(state[name])}
            yield f"{net}: no {name}", {key: state[key] for key in state.keys() - {name}}
        for what, spoil in CRAFTED_ARRAYS.items():
            memory = {name: spoil(moment) for name, moment in state["_memory"].items()}
            yield f"{net}: moments {what}", state | {"_memory": memory}
        for what, spoil in CRAFTED_SHAPES.items():
            yield f"{net}: shape {what}", state | {"_shape": spoil(*state["_shape"])}
        yield f"{net}: memory None", state | {"_memory": None}


REFUSALS = r"not the state of|must be an array|No net has|does not go with|not know the classes"
STATES = dict(crafted_states())


def pickled(estimator, state):
    """A pickle of an estimator with this state."""

    class Crafted:
        def __reduce__(self):
            return copy.copy, (estimator(),), state

    return pickle.dumps(Crafted())


def test_there_are_200_crafted_files():
    assert len(STATES) >= 200


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_crafted_pickle_is_refused(state):
    estimator = LSTMClassifier if "classes_" in state else LSTMRegressor
    with pytest.raises(ValueError, match=REFUSALS):
        pickle.loads(pickled(estimator, state))


@pytest.mark.parametrize("state", list(STATES.values())[::7], ids=list(STATES)[::7])
def test_a_crafted_skops_file_is_refused(state):
    skops = pytest.importorskip("skops.io")
    estimator = LSTMClassifier if "classes_" in state else LSTMRegressor
    model = estimator()
    vars(model).update(state)
    file = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=file)
    with pytest.raises(ValueError, match=REFUSALS):
        skops.loads(file, trusted=trusted)


@pytest.mark.parametrize("model", NETS.values(), ids=NETS)
def test_what_a_fit_leaves_behind_comes_back(model):
    for copied in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert_same_bits(copied.predict(X), model.predict(X))
    skops = pytest.importorskip("skops.io")
    file = skops.dumps(model)
    loaded = skops.loads(file, trusted=skops.get_untrusted_types(data=file))
    assert_same_bits(loaded.predict(X), model.predict(X))


def test_the_byte_order_of_another_machine_comes_back_as_this_ones():
    state = NETS["regressor"].__getstate__()
    swapped = {name: state[name].astype(">f8") for name in ARRAYS}
    loaded = pickle.loads(pickled(LSTMRegressor, state | swapped))
    assert_same_bits(loaded.predict(X), NETS["regressor"].predict(X))
    with pytest.raises(ValueError, match="must be an array"):
        LSTMRegressor().__setstate__(state | swapped)


def test_memory_mapped_weights_come_back(tmp_path):
    joblib = pytest.importorskip("joblib")
    joblib.dump(NETS["deep"], tmp_path / "net.joblib")
    mapped = joblib.load(tmp_path / "net.joblib", mmap_mode="r")
    assert_same_bits(mapped.predict(X), NETS["deep"].predict(X))


# --- Where addresses are handed over --------------------------------------------------------


@pytest.mark.parametrize("spoil", [cut, lambda a: a[:-1], lambda a: a.astype(np.float32)])
def test_a_team_refuses_weights_that_are_not_the_nets(spoil):
    problem = make_problem()
    data = problem.architecture, problem.sequences, 7
    with Predictor(*data) as predicting, TwoWay(*data) as training:
        for round_ in (predicting.predict, training.forward):
            with pytest.raises(ValueError, match="weights of shape"):
                round_(spoil(problem.weights), problem.rows)
        assert_same_bits(
            predicting.predict(problem.weights, problem.rows),
            training.forward(problem.weights, problem.rows),
        )


def test_a_team_refuses_a_scaling_of_other_features():
    problem = make_problem()
    sequences = problem.sequences
    sequences.scaling = sequences.scaling[:, :-1]
    with pytest.raises(ValueError, match="scaling of shape"):
        Predictor(problem.architecture, sequences, 7)


def test_attributes_that_were_set_by_hand_are_refused_in_predict():
    for name, match in (("_weights", "weights"), ("_scaling", "scaling")):
        model = copy.deepcopy(NETS["regressor"])
        setattr(model, name, getattr(model, name)[:1])
        with pytest.raises(ValueError, match=match):
            model.predict(X)


@pytest.mark.parametrize("spoil", CRAFTED_SHAPES.values(), ids=CRAFTED_SHAPES)
def test_no_architecture_is_of_impossible_sizes(spoil):
    shape = spoil(3, (4, 5), False, "last", 2)
    if type(shape) is tuple and len(shape) == 5:
        try:
            made = Architecture(*shape)
        except ValueError:
            return
        assert made.n_weights > 0


# --- Threads --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_who_predicts_while_another_thread_fits_gets_the_old_net_or_the_new(dtype):
    # Nets of other sizes, so that a mixture would read beyond one.
    settings = [
        {"hidden_layer_sizes": 3, "bidirectional": False},
        {"hidden_layer_sizes": (9, 5), "bidirectional": True},
    ]
    model, rows = small_net(max_iter=1, **settings[0]), X[:3].astype(dtype)
    expected = []
    for each in settings:
        expected.append(model.set_params(**each).fit(X, X[:, 0, 0]).predict(rows))
    stop, wrong, seen = threading.Event(), [], set()

    def predict():
        while not stop.is_set():
            try:
                result = model.predict(rows)
            except Exception as error:
                wrong.append(error)
                return
            places = [i for i, each in enumerate(expected) if np.array_equal(result, each)]
            if len(places) != 1:
                wrong.append(result)
            seen.update(places)

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    with warnings.catch_warnings(action="ignore"):
        for number in range(150):
            model.set_params(**settings[number % 2]).fit(X, X[:, 0, 0])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert seen == {0, 1}


def test_scores_and_deviations_are_of_one_net_while_another_thread_fits():
    settings = [{"loss": "gaussian"}, {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}]
    model, y, scores = small_net(max_iter=1), X[:, 0, 0], []
    for each in settings:
        scores.append(model.set_params(**each).fit(X, y).score(X, y))
    stop, wrong = threading.Event(), []

    def ask():
        while not stop.is_set():
            try:
                if model.score(X, y) not in scores:
                    wrong.append("a mixture")
                model.predict(X, return_std=True)
            except ValueError as error:
                # That it has no deviations may be said of the other net.
                if "return_std=True wants" not in str(error):
                    wrong.append(error)
            except Exception as error:
                wrong.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    with warnings.catch_warnings(action="ignore"):
        for number in range(150):
            model.set_params(**settings[number % 2]).fit(X, y)
    stop.set()
    thread.join()
    assert wrong == []


# --- What the outputs mean ------------------------------------------------------------------

BAND = small_net(loss="quantile", quantile=[0.1, 0.5, 0.9], max_iter=1).fit(X, X[:, 0, 0])
GAUSSIAN = small_net(loss="gaussian", max_iter=1).fit(X, X[:, 0, 0])
THREE_CLASSES = LSTMClassifier(3, max_iter=1).fit(X, np.arange(len(X)) % 3)


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (BAND, {"_fitted_quantile": (0.1, 0.9)}),
        (BAND, {"_fitted_quantile": (0.9, 0.5, 0.1)}),
        (BAND, {"_fitted_quantile": "abc"}),
        (BAND, {"_fitted_loss": "gaussian"}),
        (BAND, {"n_outputs_": 3}),
        (GAUSSIAN, {"_fitted_loss": "nope"}),
        (GAUSSIAN, {"_fitted_loss": "squared_error"}),
        (GAUSSIAN, {"n_outputs_": 2}),
        (THREE_CLASSES, {"classes_": np.arange(2)}),
        (THREE_CLASSES, {"classes_": np.arange(4)}),
        (THREE_CLASSES, {"classes_": None}),
        (THREE_CLASSES, {"n_outputs_": 1}),
    ],
)
def test_outputs_that_do_not_go_with_the_net_are_refused(model, change):
    state = model.__getstate__()
    type(model)().__setstate__(state)
    with pytest.raises(ValueError, match=r"No net was|does not go|quantile must be|not know the|T"):
        type(model)().__setstate__(state | change)
    missing = {name: value for name, value in state.items() if name not in change}
    with pytest.raises(ValueError, match="not the state of a fitted net"):
        type(model)().__setstate__(missing)


# --- Sequences that change under a fit ------------------------------------------------------


class Meddler:
    """A list of sequences that is emptied when the first epoch is printed."""

    def __init__(self, change):
        self.change, self.errors = change, []

    def write(self, text):
        if text.startswith("Iteration 1,"):
            try:
                self.change()
            except (BufferError, ValueError) as error:
                self.errors.append(error)

    def flush(self):
        pass


def fit_meddled(monkeypatch, X, y, change):
    meddler = Meddler(change)
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", meddler)
        model = small_net(verbose=True, max_iter=5).fit(X, y)
    return model, meddler.errors


def test_a_list_that_is_emptied_under_a_fit_is_fitted_all_the_same(monkeypatch):
    sequences = [steps.copy() for steps in STEPS]
    model, errors = fit_meddled(monkeypatch, sequences, Y, sequences.clear)
    assert sequences == errors == []
    assert_same_bits(model._weights, small_net(max_iter=5).fit(STEPS, Y)._weights)


def test_an_array_cannot_be_resized_under_a_fit(monkeypatch):
    array = X.copy()
    model, errors = fit_meddled(monkeypatch, array, X[:, 0, 0], lambda: array.resize(1, 1, 1))
    assert len(errors) == 1
    assert_same_bits(model._weights, small_net(max_iter=5).fit(X, X[:, 0, 0])._weights)


def test_the_memory_behind_a_buffer_cannot_be_resized_under_a_fit(monkeypatch):
    buffer = bytearray(X.tobytes())
    array = np.frombuffer(buffer).reshape(X.shape)
    model, errors = fit_meddled(monkeypatch, array, X[:, 0, 0], buffer.clear)
    assert len(errors) == 1
    assert_same_bits(model._weights, small_net(max_iter=5).fit(X, X[:, 0, 0])._weights)


def test_a_file_that_ends_too_early_is_no_net():
    whole = pickle.dumps(NETS["deep"])
    for size in np.linspace(1, len(whole) - 1, 40).astype(int):
        with pytest.raises((EOFError, pickle.UnpicklingError, ValueError, AttributeError)):
            pickle.load(io.BytesIO(whole[:size]))


def test_a_scaling_in_another_order_predicts_the_same_and_of_another_type_is_refused():
    model = copy.deepcopy(NETS["deep"])
    expected = model.predict(X)
    state = model.__getstate__()
    state["_scaling"] = np.asfortranarray(state["_scaling"])
    model.__setstate__(state)
    assert_same_bits(model.predict(X), expected)
    state["_scaling"] = state["_scaling"].astype(np.float32)
    with pytest.raises(ValueError, match="_scaling must be"):
        model.__setstate__(state)
