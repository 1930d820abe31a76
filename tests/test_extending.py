"""docs/extending.md, done literally: in a copy of the package, in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sklstm
from sklstm._training.losses import Loss

PACKAGE = Path(sklstm.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
BLOCK = r"\n\n```python\n(.*?)```"


@pytest.fixture(name="page", scope="module")
def text_of_the_page():
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(name="extended", scope="module")
def copy_of_the_package_as_the_page_says(page, tmp_path_factory):
    """The folder of a copy in which each class, function and line of the page is in its file."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(PACKAGE, root / "sklstm", ignore=shutil.ignore_patterns("__pycache__"))
    definitions = re.findall(
        rf"The (?:class|function|kernel), in `([^`]+)`:{BLOCK}", page, re.DOTALL
    )
    lines = re.findall(rf"The line in its table `(\w+)`[^`]*?:{BLOCK}", page, re.DOTALL)
    assert len(definitions) == len(lines) == 4
    for (name, definition), (table, line) in zip(definitions, lines, strict=True):
        path = root / name
        source = path.read_text(encoding="utf-8")
        start = f"\n{table} = {{\n"
        assert source.count(start) == 1
        before, after = source.split(start)
        path.write_text(f"{before}\n\n{definition}{start}{line}{after}", encoding="utf-8")
    return root


def run(extended, script):
    """What a process with the extended copy prints; warnings are errors."""
    setup = """
import warnings
import numpy as np
import sklstm
from sklstm._training.losses import Loss
from sklearn.exceptions import ConvergenceWarning
from sklstm import LSTMRegressor

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)
X = np.random.RandomState(0).normal(size=(40, 6, 2))
y = X[:, -1, 0] + X[:, -2, 1]
"""
    result = subprocess.run(
        [sys.executable, "-c", setup + script],
        env={**os.environ, "PYTHONPATH": str(extended)}, cwd=extended,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.cold
def test_all_that_the_page_says_works_in_one_process(page, extended):
    uses = re.findall(rf"(?:That is all|Then):{BLOCK}", page, re.DOTALL)
    assert len(uses) == 4
    script = f"assert sklstm.__file__.startswith({str(extended)!r})\n"
    for use in uses:
        script += f"{use}assert np.isfinite(model.predict(X)).all() and model.n_iter_ == 5\n"
        script += "assert model.loss_curve_[-1] < model.loss_curve_[0]\n"
    # The estimator refuses what is in no table, and names what is.
    script += """
names = {
    "loss": "log_cosh", "solver": "adagrad", "learning_rate": "linear", "pooling": "sum"
}
for parameter, name in names.items():
    try:
        LSTMRegressor(**{parameter: "unknown"}).fit(X, y)
    except ValueError as error:
        assert parameter in str(error) and repr(name) in str(error), error
    else:
        raise AssertionError(parameter)
"""
    # All of them together, with what the page promises of an optimizer.
    script += """
model = LSTMRegressor(
    (4, 3), bidirectional=True, pooling="sum", dropout=0.1, loss="log_cosh", solver="adagrad",
    learning_rate="linear", learning_rate_init=0.1, early_stopping=True, max_iter=20, shuffle=False,
    random_state=0, warm_start=True,
)
model.fit(X, y).fit(X, y).predict(X)
assert model.n_iter_ > 20
LSTMRegressor(4, solver="adagrad").partial_fit(X, y).partial_fit(X, y)
two = [LSTMRegressor(4, solver="adagrad", shuffle=False, random_state=0, warm_start=True,
                     max_iter=n) for n in (10, 5)]
two[0].fit(X, y), two[1].fit(X, y).fit(X, y)
assert (two[0].predict(X) == two[1].predict(X)).all()
# A sum is the mean times the number of steps; all of X have six.
of_mean, of_sum = (LSTMRegressor(4, pooling=name, max_iter=1, random_state=0) for name in
                   ("mean", "sum"))
of_mean.fit(X, y), of_sum.fit(X, y)
of_sum._weights = of_mean._weights.copy()
of_sum._weights[-5:-1] /= 6
for name in ("_target_mean", "_target_deviation"):
    setattr(of_sum, name, getattr(of_mean, name))
np.testing.assert_allclose(of_sum.predict(X), of_mean.predict(X), rtol=1e-12)
# The way back, for sequences of all lengths; central differences err by the square of their step.
from sklstm._forms import Expected
from sklstm._network.initial_weights import initial_weights
from sklstm._network.parameters import Architecture
from sklstm._network.trace import Trace
from sklstm._scaling import as_they_are
from sklstm._sequences import read_sequences

net, ragged = Architecture(2, (3,), False, "sum", 1), [x[: 1 + i] for i, x in enumerate(X[:6])]
ragged = as_they_are(read_sequences(ragged, Expected(LSTMRegressor())))
weights = initial_weights(net, np.float64, 1.0, 6, np.random.RandomState(0))
trace = Trace(net, ragged, weights)
trace.forward()
gradient = trace.backward(np.ones((6, 1)))[0]
for j in range(weights.size):
    sums = []
    for step in (-1e-5, 1e-5):
        moved = weights.copy()
        moved[j] += step
        sums.append(Trace(net, ragged, moved).forward()[0].sum())
    assert abs((sums[1] - sums[0]) / 2e-5 - gradient[j]) < 1e-8, j
print("done")
"""
    assert run(extended, script) == ["done"]


def names_of(page, heading, base):
    """What the page's class or function of one section is, in the namespace of its file."""
    section = page.partition(f"## {heading}\n")[2]
    names = dict(base)
    exec(re.search(rf":{BLOCK}", section, re.DOTALL)[1], names)
    return names


def test_the_loss_of_the_page_is_right(page):
    loss = names_of(page, "A loss", vars(sklstm._training.losses))["LogCosh"](2.0)
    rng = np.random.RandomState(0)
    raw, y = rng.normal(scale=4, size=(2, 50, 3))
    np.testing.assert_allclose(loss.value(raw, y), 4 * np.log(np.cosh((raw - y) / 2)), rtol=1e-12)
    step = 1e-6
    slope = (loss.value(raw + step, y) - loss.value(raw - step, y)) / (2 * step)
    # Central differences err by step ** 2, and by rounding divided by the step.
    np.testing.assert_allclose(loss.gradient(raw, y), slope, atol=1e-8)
    assert np.isfinite(loss.value(raw + 1e6, y)).all()


class Laplace(Loss):
    """Minus the log-likelihood of a Laplace distribution: the median, and the log of the scale."""

    settings = (0.0, 0.0)
    link = "median and log of the scale"

    def value(self, raw, y):
        value = np.zeros_like(raw)
        value[:, ::2] = np.abs(raw[:, ::2] - y) * np.exp(-raw[:, 1::2]) + raw[:, 1::2]
        return value

    def gradient(self, raw, y):
        gradient, scale = np.empty_like(raw), np.exp(raw[:, 1::2])
        gradient[:, ::2] = np.sign(raw[:, ::2] - y) / scale
        gradient[:, 1::2] = 1 - np.abs(raw[:, ::2] - y) / scale
        return gradient

    def unscaled(self, mean, deviation):
        factor = np.stack([deviation, np.ones_like(deviation)], axis=1)
        return factor.ravel(), np.stack([mean, np.log(deviation)], axis=1).ravel()

    def inverse_link(self, raw):
        return raw[:, ::2]


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_loss_may_have_several_raw_outputs_for_each_number_in_y(monkeypatch, n_outputs):
    monkeypatch.setitem(sklstm._training.losses.LOSSES, "gaussian", lambda estimator: Laplace())
    y = 7 + 3 * np.random.RandomState(0).laplace(size=(501, n_outputs))
    y = y[:, 0] if n_outputs == 1 else y
    model = sklstm.LSTMRegressor(
        2, loss="gaussian", learning_rate="cosine", learning_rate_init=0.03, max_iter=100,
        n_iter_no_change=np.inf, random_state=0,
    ).fit(np.zeros((501, 3)), y)  # fmt: skip
    prediction = model.predict(np.zeros((1, 3)))
    assert prediction.shape == y[:1].shape
    np.testing.assert_allclose(prediction[0], np.median(y, axis=0), atol=0.2)
    scale = np.abs(y - np.median(y, axis=0)).mean(axis=0)
    assert model.output_bias_.size == 2 * n_outputs
    raw = model._raw_output(np.zeros((1, 3)))[0][0]
    np.testing.assert_allclose(np.exp(raw[1::2]), np.atleast_1d(scale), rtol=0.05)


def test_the_optimizer_of_the_page_is_torchs(page):
    torch = pytest.importorskip("torch")
    optimizer = names_of(page, "An optimizer", vars(sklstm._training.optimizers))["AdaGrad"](1e-8)
    rng = np.random.RandomState(0)
    weights, gradients = rng.normal(size=20), rng.normal(size=(10, 20))
    tensor = torch.tensor(weights, requires_grad=True)
    peer = torch.optim.Adagrad([tensor], lr=0.1, eps=1e-8)
    state = optimizer.init(weights)
    for number, gradient in enumerate(gradients, 1):
        optimizer.step(weights, gradient, state, number, 0.1)
        tensor.grad = torch.tensor(gradient)
        peer.step()
    np.testing.assert_allclose(weights, tensor.detach().numpy(), rtol=1e-12)


def test_the_schedule_of_the_page_is_right(page):
    schedules = sklstm._training.schedules
    linear = names_of(page, "A schedule", vars(schedules))["linear"]
    rates = [linear(0.1, schedules.Clock(epochs, 10, 0, 0), 0.5) for epochs in range(11)]
    np.testing.assert_allclose(rates, np.linspace(0.1, 0, 11), atol=1e-16)


def test_every_answer_that_the_page_lists_exists(page):
    listed = re.findall(r"^\| `(\w+)", page, re.MULTILINE)
    assert len(listed) == 10
    assert all(hasattr(sklstm._training.losses.Loss, name) for name in listed)
