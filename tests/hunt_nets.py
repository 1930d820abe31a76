"""Random nets of every kind: what they predict is right, and depends on nothing that it must not.

`python tests/hunt_nets.py --minutes 60` hunts for an hour; the tests run some seconds of it. The
n-th net is drawn from the seed plus n: `--fits 1` with the seed of a fault fits that net again.
"""

import copy
import pickle
import sys
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hunting import parser_of

sys.path.insert(0, str(Path(__file__).parents[1]))

import ragged
import reference
from conftest import assert_same_bits
from problems import TOLERANCE, use_short_segments, use_threads

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._targets import fitted_loss


def backwards(X):
    """The same numbers; the strides are negative."""
    return X[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]


EQUAL = {
    "2-D": lambda sequences, longest: np.stack(sequences).reshape(len(sequences), -1),
    "3-D": lambda sequences, longest: np.stack(sequences),
    "Fortran": lambda sequences, longest: np.asfortranarray(np.stack(sequences)),
    "backwards": lambda sequences, longest: backwards(np.stack(sequences)),
    "a list": lambda sequences, longest: list(sequences),
    "views": lambda sequences, longest: ragged.views(sequences),
}
LOSSES = "squared_error", "absolute_error", "huber", "quantile", "poisson", "gaussian"
RAGGED = {
    "a list": lambda sequences, longest: list(sequences),
    "a tuple": lambda sequences, longest: tuple(sequences),
    "objects": lambda sequences, longest: ragged.in_an_array_of_objects(sequences),
    "padded": ragged.padded,
    "padded more": lambda sequences, longest: ragged.padded(sequences, longest + 3),
    "views": lambda sequences, longest: ragged.views(sequences),
}


@dataclass(frozen=True)
class Drawn:
    """A net, what it is fitted on, and how."""

    estimator: type
    parameters: dict
    calls: tuple
    sequences: list
    form: str
    y: np.ndarray
    sample_weight: np.ndarray | None
    n_threads: int
    short_segments: bool
    rng: np.random.RandomState

    @property
    def longest(self):
        return max(map(len, self.sequences))

    @property
    def lengths(self):
        return np.array([len(each) for each in self.sequences])

    @property
    def each_step(self):
        """Whether y is (n_samples, longest), or with another axis for outputs."""
        return self.parameters["pooling"] is None

    @property
    def given(self):
        """What a fit is given."""
        return {"X": self.as_given(), "y": self.in_form(self.y),
                "sample_weight": self.in_form(self.sample_weight)}  # fmt: skip

    @property
    def forms(self):
        """All that X may be given as."""
        return EQUAL if min(map(len, self.sequences)) == self.longest else RAGGED

    def as_given(self, rows=None, form=None):
        some = self.sequences if rows is None else [self.sequences[row] for row in rows]
        return self.forms[form or self.form](some, self.longest)

    def in_form(self, values):
        """Values of steps as X has them, if they are of steps: more where it is padded more."""
        if np.ndim(values) < 2 or not self.each_step or self.form != "padded more":
            return values
        return np.concatenate([values, values[:, :1], values[:, :1], values[:, :1]], axis=1)

    def of_rows(self, answers, rows):
        """The answers for some rows, given those for all."""
        if not self.each_step:
            return answers[rows]
        parts = np.split(answers, np.cumsum(self.lengths)[:-1])
        return np.concatenate([parts[row] for row in rows])

    def fit(self):
        model = self.estimator(**copy.deepcopy(self.parameters))
        for call in self.calls:
            if call == "fit":
                model.fit(**self.given)
            elif call == "warm start":
                model.set_params(warm_start=True).fit(**self.given)
            else:
                known = [label for label in self.y.ravel().tolist() if label is not None]
                classes = {"classes": np.unique(known)} if is_classifier(model) else {}
                model.partial_fit(**self.given, **classes)
        return model

    def some_rows(self, most):
        """Rows in any order, one of them twice."""
        rows = self.rng.permutation(len(self.sequences))[: self.rng.randint(1, most + 1)]
        return [*rows, rows[0]]


def draw(seed):
    rng = np.random.RandomState(seed)

    def one_of(*values):
        return values[rng.randint(len(values))]

    estimator = one_of(LSTMRegressor, LSTMClassifier)
    n_layers = one_of(1, 1, 2, 3)
    solver = one_of("adam", "adam", "adamw", "sgd", "rmsprop", "lbfgs")
    dropped = solver != "lbfgs" and one_of(False, True)
    calls = one_of(("fit",), ("fit",), ("fit", "warm start"), ("partial_fit", "partial_fit"))
    if solver == "lbfgs":
        calls = calls if calls[0] == "fit" else ("fit",)
    parameters = {
        "hidden_layer_sizes": tuple(one_of(1, 2, 5, 8, 16, 17, 33) for _ in range(n_layers)),
        "bidirectional": one_of(False, False, True),
        "forget_bias": one_of(1.0, 1.0, -1.0, "chrono"),
        "pooling": one_of("last", "mean", "max", None),
        "normalize_X": one_of(True, True, False),
        "solver": solver,
        "learning_rate": one_of("constant", "invscaling", "adaptive", "cosine"),
        "learning_rate_init": one_of(1e-3, 1e-2),
        "batch_size": one_of(1, 7, 32, 200),
        "shuffle": one_of(True, True, False),
        "early_stopping": calls[0] == "fit" and one_of(False, False, True),
        "dropout": one_of(0.0, 0.3) if dropped else 0.0,
        "recurrent_dropout": one_of(0.0, 0.2) if dropped else 0.0,
        "max_grad_norm": None if solver == "lbfgs" else one_of(None, 1.0),
        "bptt_steps": one_of(None, None, 1, 3, 10),
        "max_iter": one_of(1, 2, 3),
        "random_state": one_of(seed, np.random.RandomState(seed)),
    }
    n, longest, n_features = one_of(1, 3, 20, 50, 90), one_of(1, 2, 5, 12, 25), rng.randint(1, 7)
    if estimator is LSTMClassifier or parameters["early_stopping"]:
        n = max(n, 50)
    forms = one_of(EQUAL, RAGGED)
    lengths = rng.randint(1, longest + 1, n) if forms is RAGGED else np.full(n, longest)
    lengths[0] = longest
    if lengths.min() == longest and forms is RAGGED:
        # Else an array without NaN would have equal lengths.
        forms, lengths = EQUAL, np.full(n, longest)
    form = one_of(*forms)
    if form == "2-D":
        parameters["n_timesteps"] = longest
    types = ["<f4", "<f4", "<f8", "<f8", ">f4", ">f8", "<f2"]
    dtype = one_of(*types if forms is RAGGED else [*types, "<i4"])
    numbers = one_of(0, 3) + one_of(0.3, 2) * rng.normal(size=(n, longest, n_features))
    sequences = [each[:length].astype(dtype) for each, length in zip(numbers, lengths, strict=True)]
    each_step = parameters["pooling"] is None
    shape = (n, longest) if each_step else (n,)
    if estimator is LSTMRegressor:
        parameters["loss"] = one_of(*LOSSES)
        parameters["quantile"] = one_of(0.5, 0.2, [0.9], [0.1, 0.5, 0.9])
        parameters["normalize_y"] = one_of(True, True, False)
        means = numbers.mean(axis=2 if each_step else (1, 2))[..., np.newaxis]
        means = means * np.arange(1, 1 + one_of(1, 1, 2, 5))
        y = one_of(0.1, 1, 30) * np.abs(means + rng.normal(size=means.shape))
        y = y[..., 0] if y.shape[-1] == 1 else y
    else:
        names = one_of(np.arange(9), np.array(list("cabdefghi")), np.array([True, False]))
        n_classes = one_of(2, min(5, len(names)))
        y = rng.permutation(names[np.arange(np.prod(shape)) % n_classes]).reshape(shape)
        parameters["class_weight"] = one_of(None, "balanced") if calls[0] == "fit" else None
    if each_step and one_of(False, True):
        y = y if estimator is LSTMRegressor else y.astype(object)
        y[rng.rand(*shape) < 0.2] = np.nan if estimator is LSTMRegressor else None
        # Some label is left.
        y[0, 0], y[-1, 0] = (1, 2) if estimator is LSTMRegressor else names[:2].tolist()
    weighed = one_of((n,), shape)
    return Drawn(
        estimator, parameters, calls, sequences, form, y,
        rng.uniform(0.5, 2, weighed) if one_of(False, True) else None, one_of(1, 2, 3),
        one_of(False, True), rng,
    )  # fmt: skip


# --- What holds of every net ----------------------------------------------------------------


def agrees_with_the_twin(drawn, model):
    rows = drawn.some_rows(5)
    lengths = drawn.lengths[rows]
    X = np.zeros((len(rows), max(lengths), model._shape[0]))
    for row, each, length in zip(rows, X, lengths, strict=True):
        each[:length] = drawn.sequences[row]
    names = "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
    fitted = {name: getattr(model, f"{name}_") for name in names}
    weights = {
        name: [a.astype(np.float64) for a in value]
        if isinstance(value, list)
        else value.astype(np.float64)
        for name, value in fitted.items()
    }
    options = {"bidirectional": model.bidirectional, "pooling": model.pooling}
    expected, trace = reference.forward(X, weights, lengths=lengths, **options)
    expected = expected[~np.isnan(expected).any(axis=-1)]
    actual = output(model, drawn.as_given(rows)).reshape(expected.shape)
    if drawn.parameters.get("loss") == "poisson":
        actual = np.log(actual)
    # Errors are relative to the largest number that is added up, as outputs may cancel.
    terms = np.abs(trace["head_input"]) @ np.abs(weights["output_weights"]).T
    largest = np.nanmax(terms + np.abs(weights["output_bias"]))
    tolerance = TOLERANCE[fitted["output_bias"].dtype.type]
    assert np.abs(actual - expected).max() <= tolerance * largest


def rows_are_independent(drawn, model):
    rows = drawn.some_rows(40)
    whole = output(model, drawn.as_given())
    for some in (rows, rows[:1]):
        assert_same_bits(output(model, drawn.as_given(some)), drawn.of_rows(whole, some))


def forms_are_equal(drawn, model):
    whole = output(model, drawn.as_given())
    for form in drawn.forms:
        if form != "2-D" or "n_timesteps" in drawn.parameters:
            assert_same_bits(output(model, drawn.as_given(form=form)), whole)


def threads_and_segments_are_not_seen(drawn, model):
    whole = output(model, drawn.as_given())
    for n_threads in {1, 2, 3} - {drawn.n_threads}:
        with machine(n_threads, drawn.short_segments):
            assert_same_bits(drawn.fit()._weights, model._weights)
        with machine(n_threads, not drawn.short_segments):
            assert_same_bits(output(model, drawn.as_given()), whole)


def a_pickle_is_the_net(drawn, model):
    loaded = pickle.loads(pickle.dumps(model))
    assert_same_bits(vars(loaded), vars(model))
    assert_same_bits(output(loaded, drawn.as_given()), output(model, drawn.as_given()))


def a_refused_call_changes_nothing(drawn, model):
    before, whole = copy.deepcopy(vars(model)), output(model, drawn.as_given())
    for _ in range(3):
        name = drawn.rng.choice(list(DAMAGES))
        call = drawn.rng.choice(["fit", "predict"] if name in OF_X else ["fit"])
        if call == "fit" and drawn.calls[0] == "partial_fit":
            call = "partial_fit"
        given = drawn.given | DAMAGES[name](drawn)
        arguments = given if call != "predict" else {"X": given["X"]}
        try:
            getattr(model, call)(**arguments)
        except (ValueError, TypeError):
            pass
        else:
            raise AssertionError(f"{call} takes {name}")
        assert_same_bits(vars(model), before)
    assert_same_bits(output(model, drawn.as_given()), whole)


CHECKS = (
    agrees_with_the_twin, rows_are_independent, forms_are_equal, threads_and_segments_are_not_seen,
    a_pickle_is_the_net, a_refused_call_changes_nothing,
)  # fmt: skip


# --- What is refused ------------------------------------------------------------------------


def with_number(number):
    """X with this in the first step of a sequence."""

    def damage(drawn):
        row = drawn.rng.randint(len(drawn.sequences))
        sequences = [np.array(each, dtype=float) for each in drawn.sequences]
        sequences[row][0, drawn.rng.randint(sequences[row].shape[1])] = number
        return {"X": drawn.forms[drawn.form](sequences, drawn.longest)}

    return damage


def instead(change):
    """X as a 3-D array or a list that is changed so; it may be of another form than before."""

    def damage(drawn):
        as_array = ragged.padded([each.astype(float) for each in drawn.sequences], drawn.longest)
        return {"X": change(as_array)}

    return damage


def of_y(change):
    return lambda drawn: {"y": change(drawn.in_form(drawn.y))}


def numeric(y):
    return np.unique(y.astype(str), return_inverse=True)[1].reshape(y.shape).astype(float)


def with_first(y, number):
    y = numeric(y)
    y.flat[0] = number
    return y


def with_nan(drawn):
    """One, or all: a step may lack its label."""
    y = with_first(drawn.in_form(drawn.y), np.nan)
    return {"y": np.full(y.shape, np.nan) if drawn.each_step else y}


def of_weights(change):
    return lambda drawn: {"sample_weight": change(np.ones(len(drawn.y)))}


OF_X = {
    "NaN": with_number(np.nan),
    "infinity": with_number(-np.inf),
    "complex X": instead(lambda X: X + 1j),
    "X of words": instead(lambda X: X.astype(str).astype(object)[:, :, 0] + "x"),
    "no X": instead(lambda X: None),
    "no sequences": instead(lambda X: X[:0]),
    "no steps": instead(lambda X: X[:, :0]),
    "no features": instead(lambda X: X[:, :, :0]),
    "4-D X": instead(lambda X: X[np.newaxis]),
    "0-D X": instead(lambda X: X[0, 0, 0]),
    "a list with a number": instead(lambda X: [*X[:, :1], 3.0]),
    "a list with another width": instead(lambda X: [*X[:, :1], np.ones((1, X.shape[2] + 1))]),
    "a list with no steps": instead(lambda X: [*X[:, :1], X[0, :0]]),
    "times": instead(lambda X: np.zeros(X.shape, "M8[s]")),
    "masked": instead(lambda X: np.ma.masked_array(np.nan_to_num(X), np.isfinite(X))),
}
DAMAGES = OF_X | {
    "a sequence less": lambda drawn: {"y": np.concatenate([drawn.y, drawn.y[:1]])},
    "no y": of_y(lambda y: None),
    "y too short": of_y(lambda y: y[:-1]),
    "y of too many axes": of_y(lambda y: numeric(y)[..., np.newaxis, np.newaxis] * np.ones(2)),
    "0-D y": of_y(lambda y: y.flat[0]),
    "complex y": of_y(lambda y: numeric(y) + 1j),
    "NaN in y": with_nan,
    "infinity in y": of_y(lambda y: with_first(y, np.inf)),
    "y of records": of_y(lambda y: np.zeros(len(y), "f8,f8")),
    "negative weights": of_weights(lambda weight: -weight),
    "no weights": of_weights(lambda weight: 0 * weight),
    "NaN in weights": of_weights(lambda weight: np.nan * weight),
    "too many weights": of_weights(lambda weight: np.ones(len(weight) + 1)),
}


# --- The hunt -------------------------------------------------------------------------------


def is_classifier(model):
    return isinstance(model, LSTMClassifier)


def output(model, X):
    """What the dense layer answers, but for the link of a loss; with pooling=None step by step."""
    if not is_classifier(model) and len(fitted_loss(model).settings) > 1:
        # A link that sorts, or hands on a part.
        return model._raw_output(X)[0]
    answers = model.decision_function(X) if is_classifier(model) else model.predict(X)
    if model.pooling is not None:
        return answers
    if isinstance(answers, list):
        return np.concatenate(answers)
    return answers[~np.isnan(answers.reshape(*answers.shape[:2], -1)).any(axis=2)]


@contextmanager
def machine(n_threads, short_segments):
    """So many threads for rounds of any size, and segments of three steps or as they are."""
    with pytest.MonkeyPatch.context() as patch:
        use_threads(patch, n_threads)
        if short_segments:
            use_short_segments(patch)
        yield


def hunt(seed, wanted, minutes):
    """Fit `wanted` nets, or for so many minutes; how many of them failed at what."""
    end, n_fits = time.monotonic() + 60 * minutes, 0
    found = {"cannot be fitted": 0} | {check.__name__.replace("_", " "): 0 for check in CHECKS}
    while n_fits < wanted or time.monotonic() < end:
        try_one(seed + n_fits, found)
        n_fits += 1
    return {"fits": n_fits, "failed": found}


def try_one(seed, found):
    drawn = draw(seed)
    what = "cannot be fitted"
    with machine(drawn.n_threads, drawn.short_segments), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = drawn.fit()
        except Exception:
            checks = ()
            tell(seed, drawn, what, found)
        else:
            checks = CHECKS
        for check in checks:
            try:
                check(drawn, model)
            except Exception:
                tell(seed, drawn, check.__name__.replace("_", " "), found)


def tell(seed, drawn, what, found):
    """Count a fault and print how to see it again."""
    found[what] += 1
    print(f"--seed {seed} --fits 1: failed at: {what}\n{drawn.estimator.__name__} {drawn.form} "
          f"{drawn.parameters}\n{traceback.format_exc()}")  # fmt: skip


if __name__ == "__main__":
    arguments = parser_of(__doc__, "fits").parse_args()
    result = hunt(arguments.seed, arguments.fits, arguments.minutes)
    print(result)
    sys.exit(any(result["failed"].values()))
