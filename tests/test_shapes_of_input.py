"""X of any small shape, type and strides: refused in a sentence, or fitted as what it says."""

import re

import numpy as np
import pytest
from conftest import assert_same_bits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ragged import in_an_array_of_objects, padded, views

from sklstm import LSTMRegressor

# No example is looked at for how long it took; the same ones are drawn every time.
SHORT = settings(
    derandomize=True, deadline=None, database=None, max_examples=300,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
NUMBERS = ("<f4", "<f8", "<f2", ">f4", ">f8", "<i1", "<i8", "<u4", "?", np.longdouble)
OTHERS = ("<c8", "<U3", "S3", "<M8[s]", "<m8[s]", "f8,f4", "V8")
SPECIAL = (np.nan, np.inf, -np.inf, 1e300, -1e-310, 1e38)
# What scikit-learn and Python say of X without its name; the last, scikit-learn's checks want so.
NAMES_X = re.compile(
    r"\bX\b|^Expected 2D array|^Found array with|^Complex data not|^could not convert"
    r"|^float\(\) argument must be a string or a real number"
)


# --- What is drawn --------------------------------------------------------------------------


def embedded(array, draw):
    """Between numbers that must not be read."""
    around = np.full([2 * side + 1 for side in array.shape], 7, array.dtype)
    inner = around[(*(slice(1, None, 2),) * array.ndim, ...)]
    inner[...] = array
    return inner


def flipped(array, draw):
    """With negative strides."""
    axes = tuple(axis for axis in range(array.ndim) if draw(st.booleans()))
    return np.flip(np.flip(array, axes).copy(), axes) if axes else array


def unaligned(array, draw):
    """At an address that its type does not have otherwise."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def of_a_record(array, draw):
    """With strides that are no multiple of its type's size."""
    records = np.zeros(array.shape, [("flag", "u1"), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


def repeated(array, draw):
    """With strides of zero."""
    axis = draw(st.integers(0, max(0, array.ndim - 1)))
    one = array[(slice(None),) * axis + (slice(0, 1),)] if array.ndim else array
    return np.broadcast_to(one, array.shape) if one.size else array


LAYOUTS = {
    "as it is": lambda array, draw: array,
    "Fortran": lambda array, draw: np.asfortranarray(array),
    "transposed": lambda array, draw: array.T,
    "objects": lambda array, draw: array.astype(object),
    "masked": lambda array, draw: np.ma.masked_array(array),
    "lists": lambda array, draw: array.tolist(),
    "embedded": embedded,
    "flipped": flipped,
    "unaligned": unaligned,
    "of a record": of_a_record,
    "repeated": repeated,
}


@st.composite
def an_array(draw, dimensions=(0, 1, 2, 2, 3, 3, 3, 4), dtype=None, last=None):
    shape = [draw(st.integers(0, 4)) for _ in range(draw(st.sampled_from(dimensions)))]
    if draw(st.booleans()):
        shape = [max(1, side) for side in shape]
    if shape and last is not None:
        shape[-1] = last
    dtype = np.dtype(dtype or draw(st.sampled_from(NUMBERS * 2 + OTHERS)))
    seed = draw(st.integers(0, 9))
    array = np.random.RandomState(seed).randint(0, 40, shape)
    array = np.asarray(array / 8 if dtype.kind == "f" else array)
    array = array.view("<V8") if dtype.kind == "V" and array.size == 0 else array
    array = np.zeros(shape, dtype) if dtype.kind == "V" else array.astype(dtype)
    if dtype.kind == "f" and array.size and draw(st.integers(0, 3)) == 0:
        with np.errstate(over="ignore"):
            array.flat[draw(st.integers(0, array.size - 1))] = draw(st.sampled_from(SPECIAL))
    if dtype.kind == "f" and array.ndim == 3 and draw(st.booleans()):
        for row in array:
            row[draw(st.integers(0, len(row))) :] = np.nan
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](array, draw)


@st.composite
def a_list(draw):
    """Of sequences that go together, more often than not."""
    n, width = draw(st.integers(0, 5)), draw(st.sampled_from([1, 2, 2, 3]))
    dtype = draw(st.sampled_from((None, *NUMBERS)))
    sequences = [draw(an_array((2,), dtype or "<f8", width)) for _ in range(n)]
    if n and draw(st.integers(0, 3)) == 0:
        odd = draw(st.one_of(an_array(), st.sampled_from([None, 3.0, "word", [], [[]], {}])))
        sequences[draw(st.integers(0, n - 1))] = odd
    container = draw(st.sampled_from([list, tuple, in_an_array_of_objects]))
    try:
        return container(sequences)
    except ValueError:
        # NumPy makes no array of objects of these.
        return sequences


nested = st.recursive(
    st.one_of(st.integers(0, 5), st.floats(width=16), st.sampled_from([None, "a", b"b", True, 1j])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=12,
)
anything = st.one_of(an_array(), an_array(), a_list(), a_list(), nested)


# --- What must hold -------------------------------------------------------------------------


def net():
    return LSTMRegressor(2, max_iter=1, random_state=0, n_iter_no_change=np.inf)


FITTED = net().fit([np.ones((3, 2)), np.zeros((1, 2))], [0, 1])


def sequences_of(X):
    """What X says, in arrays of their own; of what has been fitted."""
    is_list = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object)
    if is_list and np.ndim(X[0]) == 2:
        parts = [np.asarray(each) for each in X]
        single = all(part.dtype.newbyteorder("=") == np.float32 for part in parts)
    else:
        array = np.asarray(X)
        # scikit-learn does not ask the parts of a table for their type.
        single = hasattr(X, "dtype") and array.dtype.newbyteorder("=") == np.float32
        parts = list(array[..., np.newaxis] if array.ndim == 2 else array)
    parts = [np.array(part, np.float32 if single else np.float64) for part in parts]
    steps = [np.flatnonzero(~np.isnan(part).all(axis=1))[-1] + 1 for part in parts]
    return [part[:n].copy() for part, n in zip(parts, steps, strict=True)]


def refusal(call, *arguments):
    """What is said of X, and what the call gives; one of both is None."""
    try:
        return None, call(*arguments)
    except (ValueError, TypeError) as error:
        return str(error), None


def check_fit(X):
    """X is refused in a sentence, or fitted; then all its forms are one, bit for bit."""
    n = len(X) if isinstance(X, list | tuple) or np.ndim(X) else 1
    y = np.arange(float(n))
    said, model = refusal(net().fit, X, y)
    if model is None:
        assert NAMES_X.search(said), said
        return False
    prediction = model.predict(X)
    assert prediction.shape == (n,)
    assert np.isfinite(prediction).all()
    sequences = sequences_of(X)
    longest = max(map(len, sequences))
    assert prediction.dtype == sequences[0].dtype
    for form in (sequences, views(sequences), padded(sequences, longest)):
        assert_same_bits(net().fit(form, y).predict(form), prediction)
        if model.n_timesteps_ in (None, longest):
            assert_same_bits(model.predict(form), prediction)
    return True


def check_predict(X):
    """X is refused in a sentence, or predicted as what it says."""
    said, prediction = refusal(FITTED.predict, X)
    if prediction is None:
        assert NAMES_X.search(said), said
        return False
    # An array of float32 is read as such, and a list in the type of the fit.
    sequences = [each.astype(prediction.dtype) for each in sequences_of(X)]
    assert_same_bits(prediction, FITTED.predict(padded(sequences, max(map(len, sequences)))))
    return True


@SHORT
@given(anything)
@example(np.array(3.0))
@example(np.zeros((0, 3, 2)))
@example(np.zeros((3, 2, 0)))
@example(np.array(3.0, object))
@example(in_an_array_of_objects([[], [1.0]]))
@example([[0.0, []]])
@example([np.zeros(1, np.float32)])
@example(np.broadcast_to(np.float32(1), (3, 4, 2)))
@example(np.array([[[1.0]], [[np.nan]]]))
def test_any_x_is_refused_in_a_sentence_or_fitted_as_what_it_says(X):
    check_fit(X)


@SHORT
@given(anything)
def test_any_x_is_refused_in_a_sentence_or_predicted(X):
    check_predict(X)


@pytest.mark.parametrize("check", [check_fit, check_predict])
def test_what_is_drawn_is_taken_and_refused_often(check):
    taken = []

    @SHORT
    @given(anything)
    def look(X):
        taken.append(check(X))

    look()
    # Other versions of hypothesis draw others.
    assert 5 < sum(taken) < len(taken) - 5
