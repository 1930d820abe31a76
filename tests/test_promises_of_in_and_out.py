"""The code of docs/user_guide/in_and_out.md, word by word, and what the page says beside it."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from compiled import compile_c, needs_gcc
from conftest import ignores_convergence
from exported import assert_near
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import report
from sklstm import LSTMClassifier, LSTMRegressor, interop

pytestmark = ignores_convergence

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "user_guide" / "in_and_out.md").read_text("utf-8")
GIVEN = {
    "np": np, "LSTMRegressor": LSTMRegressor, "LSTMClassifier": LSTMClassifier,
    "make_pipeline": make_pipeline, "StandardScaler": StandardScaler,
}  # fmt: skip


def blocks_of(section, language="python"):
    """The code of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", name="first")
def _first(tmp_path_factory):
    """The names that the first block has, after it ran, but for ONNX Runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        code = blocks_of("ONNX")[0]
        fit = code[code.index("X = ") : code.index("with open")]
        exec(fit, names := dict(GIVEN))
    return names


def run(code, names, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(code, names)
    return names


def test_the_code_of_onnx(first, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    blocks, names = blocks_of("ONNX"), dict(GIVEN)
    assert len(blocks) == 4
    run(blocks[0], names, tmp_path)
    model, X = names["model"], names["X"]
    expected = model.predict(X)
    assert_near(names["y"], expected, 1e-5)
    run(blocks[1], names, tmp_path)
    assert_near(names["y"], model.predict(list(X[:, :20])), 1e-5)
    run(blocks[2], names, tmp_path)
    assert_near(names["y"], expected, 1e-5)
    run(blocks[3], names, tmp_path)
    assert_near(names["probabilities"], names["pipeline"].predict_proba(names["table"]), 1e-5)


@needs_gcc
def test_the_code_of_c(first, tmp_path):
    names, X = dict(first), first["X"]
    (code,), (main,) = blocks_of("C"), blocks_of("C", "c")
    run(code, names, tmp_path)
    (tmp_path / "main.c").write_text(main, "ascii")
    compile_c(tmp_path, "main.c", "main", ["-lm"])
    lines = "\n".join(" ".join(f"{x:.9g}" for x in step) for step in X[0])
    printed = subprocess.run(
        [tmp_path / "main"], input=lines, text=True, capture_output=True, check=True
    )
    answers = np.array(printed.stdout.split(), np.float32)
    so_far = first["model"].predict([X[0, : t + 1] for t in range(24)])
    assert_near(answers, so_far, 1e-5)


def test_every_function_has_a_row():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    named = set(re.findall(r"`(\w+)\(", "\n".join(rows)))
    assert set(interop.__all__) <= named


def test_what_the_page_says_of_sizes_is_in_the_tables():
    sizes, _ = report.read(DOCS)["plain_c"]["tables"]
    (row,) = [row for row in sizes["rows"] if row["label"] == "8, 32"]
    values = {name: value["median"] for name, value in row["values"].items()}
    assert max(values["code and weights, -Os"], values["code and weights, -O3"]) < 25_000
    assert values["a state"] == 256
