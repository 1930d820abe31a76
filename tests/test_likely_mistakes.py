"""What is probably a mistake is said, at the user's line; what is not, is not."""

import inspect
import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import small_net
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from sklstm import LSTMClassifier, LSTMRegressor, sliding_windows

# --- Columns of a table ---------------------------------------------------------------------

COLUMNS = "columns are read as time steps of one feature"
N = 120


@pytest.fixture(name="weather")
def table_of_unlike_columns():
    """Load, temperature and pressure, an hour a row."""
    rng = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "load": rng.normal(500, 100, N),
            "temperature": rng.normal(15, 8, N),
            "pressure": rng.normal(1013, 8, N),
        },
        index=pd.date_range("2024-01-01", periods=N, freq="h"),
    )


def lags(series, n=24):
    """A frame with a column a lag, the oldest first."""
    windows = np.lib.stride_tricks.sliding_window_view(series, n)
    return pd.DataFrame(windows, columns=[f"lag {n - j}" for j in range(n)])


def messages(model, X):
    """What a fit to X warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, np.arange(len(X)) % 2)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("columns", [["load", "temperature"], ["pressure", "temperature"], None])
def test_features_in_the_columns_of_a_frame_warn_once(weather, columns):
    X = weather if columns is None else weather[columns]
    for model in (small_net(), LSTMClassifier(4, max_iter=2)):
        (message,) = messages(model, X)
        assert message.startswith(f"{COLUMNS}; ")
        # What helps is named.
        assert "sliding_windows" in message
        assert f"n_timesteps=1 reads a row as one time step of {X.shape[1]} features" in message


SEARCH = """
import sys
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV
from sklstm import LSTMRegressor

rng = np.random.RandomState(0)
table = pd.DataFrame({"load": rng.normal(500, 100, 60), "temperature": rng.normal(15, 8, 60)})
for _ in range(2):
    net = LSTMRegressor(max_iter=2, learning_rate="cosine")
    GridSearchCV(net, {"alpha": [0, 1]}, cv=2).fit(table, np.arange(60))
    print("searched", file=sys.stderr)
"""


def test_a_search_says_it_once():
    done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, first, second = done.stderr.partition("searched")
    assert before.count(COLUMNS) == 1, done.stderr
    assert (first, second.split()) == ("searched", ["searched"])


@pytest.mark.parametrize(("action", "times"), [("always", 3), ("default", 1), ("ignore", 0)])
def test_the_users_filters_decide_how_often_it_is_said(weather, monkeypatch, action, times):
    monkeypatch.setattr("sklstm._messages._SAID", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings(action, message=COLUMNS)
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(3):
            small_net().fit(weather, np.arange(N))
    assert len(caught) == times


def test_it_can_be_made_an_error_each_time(weather):
    for _ in range(2):
        with pytest.raises(UserWarning, match=COLUMNS):
            small_net().fit(weather, np.arange(N))


def test_polars_frames_warn_too(weather):
    polars = pytest.importorskip("polars")
    assert len(messages(small_net(), polars.DataFrame(weather.to_dict("list")))) == 1


def test_the_warning_names_the_users_line(weather):
    with pytest.warns(UserWarning, match=COLUMNS) as caught:
        make_pipeline("passthrough", small_net()).fit(weather, np.arange(N))
    assert {warning.filename for warning in caught} == {__file__}


SERIES = {
    "noise": np.random.RandomState(0).normal(size=N),
    "a random walk": np.random.RandomState(0).normal(size=N).cumsum(),
    "a trend": np.arange(N, dtype=float),
    "far from 0": 1e6 + np.sin(np.arange(N)),
    "a step near the end": np.r_[np.zeros(N - 5), np.ones(5)],
    "constant": np.full(N, 3.0),
}


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_lags_do_not_warn(series):
    frame = lags(series)
    for X in (frame, frame.iloc[:, ::-1], frame.to_numpy()):
        assert messages(small_net(), X) == []


@pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)
def test_shuffled_lags_do_not_warn(series):
    assert messages(small_net(), lags(series).sample(frac=1, random_state=0)) == []


@pytest.mark.parametrize("name", ["noise", "a random walk", "far from 0"])
def test_shuffled_lags_without_numbers_in_their_names_do_not_warn(name):
    frame = lags(SERIES[name], 4).set_axis(list("abcd"), axis=1)
    assert messages(small_net(), frame.sample(frac=1, random_state=0)) == []


def test_lags_with_gaps_do_not_warn():
    frame = lags(np.exp(0.1 * np.arange(100.0)), 6).set_axis(list("abcdef"), axis=1)
    assert messages(small_net(), frame.drop(index=range(30, 50))) == []


def test_sequences_in_numbered_columns_do_not_warn():
    days = np.maximum(0, np.sin(np.linspace(-1, 4, 24))) * np.random.RandomState(0).rand(90, 1)
    assert messages(small_net(), pd.DataFrame(days)) == []
    assert messages(small_net(), pd.DataFrame(days).add_prefix("hour ")) == []


def test_few_rows_and_later_chunks_do_not_warn(weather):
    assert messages(small_net(), weather[:8]) == []
    with pytest.warns(UserWarning, match=COLUMNS):
        model = small_net().partial_fit(weather, np.arange(N))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(weather, np.arange(N))


def test_arrays_and_scaled_frames_do_not_warn(weather):
    scaler = StandardScaler().set_output(transform="pandas")
    assert messages(make_pipeline(scaler, small_net()), weather) == []
    assert messages(small_net(), weather.to_numpy()) == []
    assert messages(make_pipeline(MinMaxScaler(), small_net()), weather) == []
    assert messages(small_net(n_timesteps=1), weather) == []
    assert messages(small_net(), sliding_windows(weather, 5)[0]) == []


@pytest.mark.parametrize(
    "transformer", [FunctionTransformer(), OneHotEncoder(sparse_output=False), RobustScaler()]
)
def test_nothing_is_said_of_what_a_transformer_made(weather, transformer):
    frame = (weather**3).assign(rare=np.arange(N) == 7, kind=np.arange(N) % 2).astype(float)
    transformer.set_output(transform="pandas")
    columns = ["rare", "kind"] if isinstance(transformer, OneHotEncoder) else list(frame)
    assert len(messages(small_net(), transformer.fit_transform(frame[columns]))) == 1
    for model in (
        make_pipeline(transformer, small_net()),
        make_pipeline(transformer, "passthrough", make_pipeline("passthrough", small_net())),
    ):
        assert messages(model, frame[columns]) == []


def test_predict_does_not_warn(weather):
    with pytest.warns(UserWarning, match=COLUMNS):
        model = small_net().fit(weather, np.arange(N))
    model.predict(weather)


def test_a_column_that_is_not_numbers_is_named(weather):
    for values in (["a", "b"] * (N // 2), pd.Categorical(["a", "b"] * (N // 2))):
        X = weather.assign(weekday=values)
        for call in (
            lambda X=X: small_net().fit(X, np.arange(N)),
            lambda X=X: small_net(n_timesteps=2).fit(X, np.arange(N)),
        ):
            with pytest.raises(ValueError, match=r"X must be numbers.*column 'weekday'.*encode"):
                call()
    encode = make_column_transformer((StandardScaler(), ["load", "temperature"]))
    encoded = make_pipeline(encode, small_net())
    assert messages(encoded, weather.assign(weekday="a")) == []


# --- One sequence without its brackets ------------------------------------------------------


def test_fit_on_one_sequence_says_how_to_pass_it(X3):
    for model in (small_net(), LSTMClassifier(4)):
        with pytest.raises(ValueError, match=r"one sequence of 6 time steps, pass X\[np\.newaxis"):
            model.fit(X3[0], [1])


@pytest.mark.parametrize("form", [np.asarray, list], ids=["array", "list"])
def test_predict_on_one_sequence_says_how_to_pass_it(X3, y, form):
    model = small_net().fit(form(X3), y)
    with pytest.raises(ValueError, match=r"If X is one sequence, pass X\[np\.newaxis\] or \[X\]"):
        model.predict(X3[0])
    assert model.predict(X3[0][np.newaxis]).shape == model.predict([X3[0]]).shape == (1,)


def test_predict_on_one_sequence_of_one_feature_warns():
    sequences = [np.arange(float(n))[:, np.newaxis] for n in (3, 5, 4)]
    model = small_net().fit(sequences, [1.0, 2.0, 3.0])
    with pytest.warns(UserWarning, match=r"\(5, 1\) is read as 5 sequences of one time step"):
        model.predict(sequences[1])
    assert model.predict([sequences[1]]).shape == (1,)
    # Of one step, it is not told apart, and need not be.
    model.predict(sequences[1][:1])


def test_one_sequence_that_n_timesteps_does_not_divide_is_told_too(X3, y):
    wide = np.random.RandomState(0).normal(size=(40, 6, 12))
    for X in (X3, wide):
        model = small_net(n_timesteps=6).fit(X, y)
        with pytest.raises(ValueError, match=r"If X is one sequence, pass X\[np\.newaxis\]"):
            model.predict(X[0])


# --- Whom messages name ---------------------------------------------------------------------


@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_messages_name_the_class_that_users_know(estimator):
    for method in ("fit", "partial_fit"):
        with pytest.raises(TypeError, match=f"{estimator.__name__}.{method}"):
            getattr(estimator(), method)(np.zeros((3, 2)))
        assert "BaseLSTM" not in inspect.getdoc(getattr(estimator, method))


BAD_VALIDATION = {
    "NaN": lambda X, y: (np.where(X[0, 0] == X, np.nan, X), y),
    "columns": lambda X, y: (X[:, :5], y),
    "one row": lambda X, y: (X[:1], y[:1]),
    "rows": lambda X, y: (X[:5], y[:6]),
    "1-D": lambda X, y: (X[0], y),
    "strings": lambda X, y: (np.full(X.shape, "a"), y),
    "targets of NaN": lambda X, y: (X, y * np.nan),
    "more outputs": lambda X, y: (X, np.c_[y, y]),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("spoil", BAD_VALIDATION.values(), ids=BAD_VALIDATION)
def test_faults_in_validation_data_say_so(X, y, spoil):
    X_val, y_val = spoil(X, y)
    with pytest.raises(ValueError, match=r"\w") as caught:
        small_net().fit(X, y, X_val=X_val, y_val=y_val)
    words = re.findall(r"\w+", str(caught.value))
    assert {*words} & {"X_val", "y_val"}
    # It does not begin by speaking of another array.
    assert not {*words[:2]} & {"X", "y"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_words_of_the_users_own_are_left_alone(X):
    frame = pd.DataFrame(X[:, :3], columns=["X", "y", "Z"])
    with pytest.raises(ValueError, match=r"(?s)X_val: .*\n- X\n"):
        small_net().fit(frame, X[:, 0], X_val=frame.rename(columns={"X": "x"}), y_val=X[:, 0])
    labels = np.where(X[:, 0] > 0, "X", "Z")
    with pytest.raises(ValueError, match=r"y_val has labels \['X\[0\]', 'y'\] that are not"):
        LSTMClassifier(4).fit(X, labels, X_val=X[:4], y_val=["y", "X", "Z", "X[0]"])


# --- Ends that were planned, and others -----------------------------------------------------


@pytest.mark.parametrize("planned", [{"learning_rate": "cosine"}, {"n_iter_no_change": np.inf}])
@pytest.mark.parametrize("estimator", [LSTMRegressor, LSTMClassifier])
def test_a_planned_end_does_not_warn(X, y, planned, estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(4, max_iter=3, **planned).fit(X, (y > 0).astype(int))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_end_that_was_not_planned_warns(X, y, solver):
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        small_net(solver=solver).fit(X, y)


def test_warnings_name_the_users_line_through_all_that_lies_between(X, y, monkeypatch):
    def failing(self, *rest):
        return np.nan, np.zeros_like(rest[0])

    monkeypatch.setattr("sklstm._network.rounds.Learner.learn", failing)
    net = small_net()
    calls = {
        "fit": lambda: net.fit(X, y),
        "partial_fit": lambda: net.partial_fit(X, y),
        "a pipeline": lambda: make_pipeline(StandardScaler(), net).fit(X, y),
        "a search": lambda: GridSearchCV(net, {"alpha": [0]}, cv=2).fit(X, y),
        "cross-validation": lambda: cross_val_score(net, X, y, cv=2),
    }
    for name, call in calls.items():
        with pytest.warns(ConvergenceWarning) as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}, name
