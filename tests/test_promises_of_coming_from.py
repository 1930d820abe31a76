"""docs/user_guide/coming_from.md: its code runs, and its tables say what is so."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ignores_convergence
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklstm import LSTMClassifier, LSTMRegressor

pytestmark = ignores_convergence
PAGE = Path(__file__).parents[1] / "docs" / "user_guide" / "coming_from.md"
TEXT = PAGE.read_text(encoding="utf-8")
DATA, SKLSTM, MLP, TORCH, SAME, KERAS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)


def run(code, names):
    """Run a block of the page; what it prints as numbers."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    return [float(number) for number in re.findall(r"\S+$", printed.getvalue(), re.MULTILINE)]


@pytest.fixture(name="names", scope="module")
def data_and_our_net():
    names = {}
    run(DATA, names)
    names["r2"] = run(SKLSTM, names)[0]
    return names


def test_our_net_learns_the_wave(names):
    assert names["r2"] > 0.99
    assert names["model"].n_iter_ == 30
    assert "R2 is above 0.99, with any seed" in TEXT
    for seed in range(1, 5):
        another = clone(names["model"]).set_params(random_state=seed)
        another.fit(names["X_train"], names["y_train"])
        assert another.score(names["X_test"], names["y_test"]) > 0.99


def test_the_multilayer_perceptron_takes_the_same_words(names):
    assert run(MLP, names)[0] > 0.9
    given = re.search(r"MLPRegressor\(\n(.*?)\n\)", MLP, re.DOTALL)[1]
    changed = eval(f"LSTMRegressor({given})", {**names, "LSTMRegressor": LSTMRegressor})
    assert changed.fit(names["X_train"], names["y_train"]).score(
        names["X_test"], names["y_test"]
    ) == pytest.approx(names["r2"], abs=5e-4)


def test_the_table_of_the_multilayer_perceptron():
    defaults, peers = LSTMRegressor().get_params(), MLPRegressor().get_params()
    assert (peers["hidden_layer_sizes"], defaults["hidden_layer_sizes"]) == ((100,), (64,))
    assert (peers["batch_size"], defaults["batch_size"]) == ("auto", 32)
    assert peers["activation"] == "relu"
    assert "activation" not in defaults
    for loss in re.findall(r'"(\w+)"', re.search(r"^\| `loss` .*$", TEXT, re.MULTILINE)[0]):
        LSTMRegressor(loss=loss, max_iter=1).fit(np.eye(5), np.arange(5))
    # Parameters that both have are alike by default, but for those of the table.
    shared = peers.keys() & defaults.keys() - {"hidden_layer_sizes", "batch_size"}
    assert {name for name in shared if peers[name] != defaults[name]} <= {"verbose"}


def test_fitted_attributes_keep_their_names():
    X, y = np.random.RandomState(0).normal(size=(60, 4)), np.arange(60) % 2
    line = TEXT.partition("keep their names too: ")[2].partition(". In place")[0]
    names = re.findall(r"`(\w+)`", line)
    assert len(names) == 5
    for pairs in ((LSTMRegressor, MLPRegressor), (LSTMClassifier, MLPClassifier)):
        for estimator in pairs:
            model = estimator(early_stopping=True, max_iter=3).fit(X, y)
            assert [name for name in names if not hasattr(model, name)] == []
    sentence = TEXT.partition("there are `input_weights_`")[2].partition("\n\n")[0]
    for name in ["input_weights_", *re.findall(r"`(\w+_)`", sentence)]:
        assert hasattr(LSTMRegressor(max_iter=1).fit(X, y), name)


def test_every_parameter_of_the_tables_is_there():
    tables = "\n".join(line for line in TEXT.splitlines() if line.startswith("| "))
    ours = [line.split(" | ")[-1] for line in tables.splitlines()]
    known = LSTMRegressor().get_params().keys() | LSTMClassifier().get_params().keys()
    words = {word for cell in ours for word in re.findall(r"`(\w+)=", cell)}
    assert len(words) > 12
    assert words - known == {"sample_weight"}


def test_the_same_net_in_pytorch_learns_the_wave_too_and_can_be_read_out(names):
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    # Two threads wait for each other at each step, for tens of seconds where others compute.
    torch.set_num_threads(1)
    try:
        assert run(TORCH, names)[0] > 0.99
    finally:
        torch.set_num_threads(before)
    # Sums of float32 in another order.
    assert run(SAME, names)[0] < 1e-5


def test_the_same_net_in_keras_learns_the_wave_too(names):
    pytest.importorskip("keras")
    assert run(KERAS, names)[0] > 0.99


def test_cells_start_as_they_do_in_keras():
    model = LSTMRegressor(8, max_iter=1, learning_rate_init=1e-15, normalize_X=False)
    model.fit(np.eye(5), np.arange(5.0))
    np.testing.assert_allclose(model.biases_[0][8:16], 1)
    for gate in model.recurrent_weights_[0].reshape(4, 8, 8):
        np.testing.assert_allclose(gate @ gate.T, np.eye(8), atol=1e-9)
