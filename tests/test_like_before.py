"""What is read like an X before is accepted, refused and warned of as if it were the first."""

import pickle
import warnings
from functools import partial
from tempfile import TemporaryFile

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from conftest import ignores_convergence
from layouts import read_only, unaligned

from sklstm import LSTMClassifier, LSTMRegressor, _base
from sklstm._network import kept, plan
from sklstm.windows import sliding_windows

pytestmark = ignores_convergence

N, STEPS, FEATURES = 30, 5, 2
X3 = np.random.default_rng(0).normal(size=(N, STEPS, FEATURES))
X2 = X3.reshape(N, -1)
y = X3[:, -1, 0] + X3[:, 0, 1]
NAMED = pd.DataFrame(X2, columns=[f"lag{i}" for i in range(X2.shape[1])])


def regressor(X=X3, **parameters):
    return LSTMRegressor(3, max_iter=2, random_state=0, **parameters).fit(X, y)


def classifier(X=X3, n_classes=3):
    labels = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
    return LSTMClassifier(3, max_iter=2, random_state=0).fit(X, labels)


ESTIMATORS = {
    "3-D": regressor,
    "float32": partial(regressor, X3.astype(np.float32)),
    "rows": partial(regressor, X2),
    "rows of blocks": partial(regressor, X2, n_timesteps=STEPS),
    "one column": partial(regressor, X2[:, :1]),
    "names": partial(regressor, NAMED),
    "lists of any length": partial(regressor, [x[: 1 + i % STEPS] for i, x in enumerate(X3)]),
    "lists of one feature": partial(regressor, [x[: 1 + i % STEPS, :1] for i, x in enumerate(X3)]),
    "each step": lambda: LSTMRegressor(3, pooling=None, max_iter=2, random_state=0).fit(X3, X3),
    "quantiles": partial(regressor, loss="quantile", quantile=[0.1, 0.9]),
    "two classes": partial(classifier, n_classes=2),
    "three classes": classifier,
}


def changed(X, place, number):
    X = X.copy()
    X[place] = number
    return X


class Subclass(np.ndarray):
    """An array of another type, which may mean something else by anything."""


class Arrayable:
    """An object that NumPy can make an array of."""

    def __array__(self, dtype=None, copy=None):
        return np.array(X3[:2], dtype)


def objects(*entries):
    array = np.empty(len(entries), object)
    array[:] = entries
    return array


def mapped(X):
    with TemporaryFile() as file:
        array = np.memmap(file, X.dtype, "w+", shape=X.shape)
    array[...] = X
    return array


def of_arrays(X):
    """An array of floats, and others of its shape or numbers."""
    first, last = (0,) * X.ndim, (-1,) * X.ndim
    return {
        "it": X, "its first row": X[:1], "a later row": X[3:4], "NaN": changed(X, first, np.nan),
        "infinity": changed(X, last, np.inf), "minus infinity": changed(X, last, -np.inf),
        "NaN at the ends": changed(X, (1, slice(2, None)), np.nan),
        "a row of NaN": changed(X, 2, np.nan), "nothing but NaN": np.full_like(X, np.nan),
        "no rows": X[:0], "no steps": X[:, :0], "one step": X[:, :1], "fewer": X[:, :-1],
        "more": np.concatenate([X, X], axis=1), "backwards": X[:, ::-1], "every other": X[::2],
        "in the order of Fortran": np.asfortranarray(X), "read-only": read_only(X),
        "the same row": np.broadcast_to(X[0], X.shape),
        "transposed": X[: X.shape[1]].swapaxes(0, 1),
        "unaligned": unaligned(X), "other bytes": X.astype(X.dtype.newbyteorder()),
        "float16": X.astype(np.float16), "float32": X.astype(np.float32),
        "float64": X.astype(np.float64), "longdouble": X.astype(np.longdouble),
        "integers": X.astype(int), "bools": X > 0, "complex": X.astype(complex),
        "strings": X.astype(str), "objects": X.astype(object), "nested lists": X.tolist(),
        "None inside": changed(X.astype(object), first, None), "subclass": X.view(Subclass),
        "memory map": mapped(X),
        "masked": np.ma.masked_greater(X, 1.0), "nothing masked": np.ma.masked_array(X),
        "times": X.astype("datetime64[s]"), "too large for float32": 1e300 * X.astype(float),
        "one axis": X.ravel(), "one more axis": X[np.newaxis], "no axis": X[first],
        "with metadata": X.astype(np.dtype(X.dtype, metadata={"unit": "m"})),
    }  # fmt: skip


def of_lists(X):
    """Sequences in lists: one alone, and many."""
    one = X[0]
    return {
        "one": [one], "another": [X[7]], "a tuple": (one,), "many": list(X[:4]),
        "one backwards": [one[::-1]], "one longer": [np.tile(one, (2, 1))],
        "one shorter": [one[:2]],
        "one of float32": [one.astype(np.float32)], "one of other bytes": [one.astype(">f8")],
        "one of integers": [one.astype(int)], "one of objects": [one.astype(object)],
        "one with NaN": [changed(one, (1, 0), np.nan)],
        "one with infinity": [changed(one, (-1, 1), np.inf)],
        "one that ends with NaN": [changed(one, slice(-2, None), np.nan)], "no steps": [one[:0]],
        "no features": [one[:, :0]], "one feature": [one[:, :1]], "three axes": [X[:1]],
        "one axis": [X[0, 0]], "one subclass": [one.view(Subclass)], "nothing": [],
        "in an array of objects": objects(one),
        "two in an array of objects": objects(one, X[1, :2]),
        "one that is masked": [np.ma.masked_greater(one, 0.0)], "lists": [one.tolist()],
    }  # fmt: skip


OTHERS = {
    "frame": NAMED, "frame of float32": NAMED.astype(np.float32), "one row": NAMED[:1],
    "frame in another order": NAMED.iloc[:, ::-1], "frame without names": pd.DataFrame(X2),
    "frame with NaN": NAMED.where(NAMED < 1), "frame with words": NAMED.assign(lag0="a"),
    "series": NAMED["lag0"], "sparse": scipy.sparse.csr_array(X2), "None": None, "a word": "X",
    "a number": 1.0, "a dict": {"X": X3}, "an object": object(), "arrayable": Arrayable(),
    "windows": sliding_windows(X3[:, 0], STEPS)[0],
    "windows of many": sliding_windows([X3[:, 0], X3[:, 1]], STEPS)[0],
}  # fmt: skip


def all_inputs():
    tables = {
        "3-D": of_arrays(X3), "3-D of float32": of_arrays(X3.astype(np.float32)),
        "2-D": of_arrays(X2), "one column": of_arrays(X2[:, :1]), "list": of_lists(X3),
        "list of float32": of_lists(X3.astype(np.float32)), "others": OTHERS,
    }  # fmt: skip
    return {f"{table}: {name}": X for table, of in tables.items() for name, X in of.items()}


with warnings.catch_warnings():
    # What is made of NaN or of large numbers, and the names of two windows.
    warnings.simplefilter("ignore")
    INPUTS = all_inputs()


def methods(estimator):
    names = "predict", "predict_proba"
    return [getattr(estimator, name) for name in names if hasattr(estimator, name)]


def outcome(method, X):
    """What a call answers or raises, and all that it warns of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            answer = method(X)
            several = answer if isinstance(answer, list) else [answer]
            said = [(type(each), each.dtype, each.shape, each.tobytes()) for each in several]
        except Exception as error:
            said = [(type(error), str(error))]
    return said, [(each.category, str(each.message)) for each in told]


def like(X):
    """Finite X of the shape and type of X, where there are such."""
    if type(X) is list and len(X) == 1:
        return [like(X[0])]
    return np.zeros(X.shape, X.dtype) if type(X) is np.ndarray and X.dtype.kind == "f" else X


def assert_same_outcomes(estimator, names=INPUTS):
    fresh = pickle.dumps(estimator)
    for name in names:
        X = INPUTS[name]
        for method in methods(estimator):
            # Which is kept, if it is accepted, and may be taken for X then.
            outcome(method, like(X))
            expected = outcome(getattr(pickle.loads(fresh), method.__name__), X)
            for _ in range(2):
                assert outcome(method, X) == expected, (name, method.__name__)


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
def test_every_form_of_x_fares_as_if_it_were_the_first(make):
    assert_same_outcomes(make())


def test_before_a_fit_all_are_refused():
    assert_same_outcomes(LSTMRegressor(3))


SETTINGS = [
    {"assume_finite": True}, {"transform_output": "pandas"}, {"enable_metadata_routing": True},
    {"skip_parameter_validation": True},
]  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["3-D", "rows", "names"])
def test_so_it_does_whatever_scikit_learn_is_told(name, settings):
    estimator = ESTIMATORS[name]()
    with sklearn.config_context(**settings):
        assert_same_outcomes(estimator)
    # What was accepted then is not, for that, accepted now.
    assert_same_outcomes(estimator)


@pytest.mark.parametrize("name", ["3-D", "float32", "quantiles", "two classes", "three classes"])
def test_so_it_does_whatever_numpy_is_told(name):
    estimator = ESTIMATORS[name]()
    of_floats = [each for each in INPUTS if each.startswith(("3-D", "list"))]
    assert_same_outcomes(estimator, of_floats)
    with np.errstate(all="raise"):
        assert_same_outcomes(estimator, of_floats)


@pytest.mark.parametrize("loss", ["poisson", "gaussian", "quantile"])
def test_predictions_that_overflow_warn_of_nothing(loss):
    model = LSTMRegressor(2, loss=loss, max_iter=1, random_state=0).fit(X3, np.abs(y))
    model._weights[-2:] = 1e4
    method = partial(model.predict, return_std=True) if loss == "gaussian" else model.predict
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(method(X3[:1]), method(X3[:1]))


def assert_change_is_seen(estimator, change):
    """Each X fares as if it were the first after a change that comes between two calls."""
    before = pickle.dumps(estimator)
    change(estimator)
    after = pickle.dumps(estimator)
    for name, X in INPUTS.items():
        if name.endswith(("it", "its first row", "no rows", "one step", ": one", "one shorter")):
            other, expected = pickle.loads(before), outcome(pickle.loads(after).predict, X)
            outcome(other.predict, X)
            change(other)
            assert outcome(other.predict, X) == expected, name
            assert outcome(other.predict, X) == expected, name


def has_names(estimator):
    estimator.feature_names_in_ = np.array(NAMED.columns, object)


def has_other_columns(estimator):
    estimator.n_features_in_ = 7


@pytest.mark.parametrize("n_timesteps", [None, 1, 2, STEPS, float(STEPS), True, "5", np.array([5])])
@pytest.mark.parametrize("name", ["3-D", "rows", "rows of blocks", "lists of any length"])
def test_parameters_that_change_are_seen(name, n_timesteps):
    assert_change_is_seen(ESTIMATORS[name](), lambda each: each.set_params(n_timesteps=n_timesteps))


@pytest.mark.parametrize("change", [has_names, has_other_columns])
@pytest.mark.parametrize("name", ["3-D", "rows"])
def test_columns_that_change_are_seen(name, change):
    assert_change_is_seen(ESTIMATORS[name](), change)


def test_an_array_that_ends_with_padding_is_not_like_one_without():
    model = ESTIMATORS["lists of any length"]()
    padded, whole = changed(X3[:1], (0, slice(2, None)), np.nan), X3[:1]
    expected = [outcome(pickle.loads(pickle.dumps(model)).predict, X) for X in (padded, whole)]
    for _ in range(3):
        assert [outcome(model.predict, X) for X in (padded, whole)] == expected


READ_ONCE = {
    "an array": (regressor, X3), "a row": (regressor, X3[:1]),
    "backwards": (regressor, X3[:, ::-1]), "read-only": (classifier, read_only(X3[:2])),
    "unaligned": (regressor, unaligned(X3[:1])), "in a list": (regressor, [X3[0]]),
    "rows": (partial(regressor, X2), X2[:1]),
    "rows of blocks": (partial(regressor, X2, n_timesteps=STEPS), X2[:3]),
}  # fmt: skip


@pytest.mark.parametrize(("make", "X"), READ_ONCE.values(), ids=READ_ONCE)
def test_the_common_forms_are_read_once(monkeypatch, make, X):
    estimator = make()
    first = estimator.predict(X)
    monkeypatch.setattr(_base, "read_sequences", None)
    np.testing.assert_array_equal(estimator.predict(X), first)


def test_another_number_of_threads_is_seen(monkeypatch):
    model = LSTMRegressor(200, max_iter=1, random_state=0).fit(X3, y)
    X, threads = np.tile(X3[:1], (1, 4, 1)), []
    model.n_timesteps_ = None
    for n in (1, 2, 1, 2, 2):
        monkeypatch.setattr(plan, "available_threads", lambda n=n: n)
        model.predict(X)
        threads.append(kept.pool_of(model._weights)._free[-1].team.n_threads)
    assert threads == [1, 2, 1, 2, 2]


def test_arrays_and_lists_of_one_size_are_known_at_once(monkeypatch):
    X = np.random.default_rng(0).normal(size=(20, 4, 2))
    net = LSTMRegressor(3, max_iter=1, random_state=0).fit(X, X[:, 0, 0])
    given = [X[:1], [X[0]], X[:1].reshape(1, 8)]
    net.set_params(n_timesteps=4)
    expected = [net.predict(each) for each in given]
    monkeypatch.setattr("sklstm._base.read_sequences", lambda *_: pytest.fail("read anew"))
    for _ in range(2):
        for each, answer in zip(given, expected, strict=True):
            np.testing.assert_array_equal(net.predict(each), answer)
