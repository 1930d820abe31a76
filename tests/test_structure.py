"""The house: imports point one way, and few packages are needed."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklstm"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = "_kernels", "_machine", "_network", "_training"
# What sklstm asks for, and what these ask for.
REQUIRED = {"numpy", "numba", "llvmlite", "joblib", "scipy", "sklearn"}
# Files that nobody imports who has not asked for such a package.
OF_A_PEER = {"sklstm/interop/_torch_net.py": {"torch"}}

for_each_file = pytest.mark.parametrize("file", FILES)


def chapters():
    """The files of each chapter of the page, from top to bottom, each with its folder."""
    for chapter in PAGE.partition("## The files")[2].split("\n### ")[1:]:
        folder = re.match(r".*?`(\w+/)`", chapter.partition("\n")[0])
        names = re.findall(r"^\| `([\w/]+\.py)` \|", chapter, re.MULTILINE)
        yield [f"sklstm/{folder[1] if folder else ''}{name}" for name in names]


HEIGHTS = {file: -height for height, files in enumerate(chapters()) for file in files}


def files_imported(file):
    """The files of sklstm that a file imports, or takes names from."""
    for module in imported(file):
        whole = module.replace(".", "/")
        for path in (whole, whole.rpartition("/")[0]):
            if f"{path}.py" in HEIGHTS:
                yield f"{path}.py"


def name_of(file):
    return file.removesuffix(".py").replace("/", ".")


def imported(file, nodes=ast.walk):
    """The modules that a file imports: anywhere, or where `nodes` of its tree says."""
    for node in nodes(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            # `from sklstm import _kernels` imports a module too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def at_import(tree):
    """What runs when a module is imported: everything but the insides of functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def test_every_file_is_on_the_page_once():
    listed = [file for files in chapters() for file in files]
    packages = {f"sklstm/{name}/__init__.py" for name in FOLDERS}
    assert sorted(listed) == sorted(set(FILES) - packages)


@for_each_file
def test_imports_point_down_the_chapters_of_the_page(file):
    own = HEIGHTS.get(file, -len(HEIGHTS))
    assert [below for below in files_imported(file) if HEIGHTS[below] > own] == []


def test_every_arrow_of_the_picture_is_an_import():
    picture = PAGE.partition("```\n")[2].partition("```")[0]
    steps = re.findall(r"^([\w/]+\.py)|^ {5}(┆)", picture, re.MULTILINE)
    chain = [f"sklstm/{file}" if file else None for file, _ in steps]
    arrows = [(a, b) for a, b in pairwise(chain) if a and b]
    assert len(arrows) >= 12
    assert picture.count("▼") == len([file for file in chain if file]) - 1
    for above, below in arrows:
        assert below in files_imported(above), f"{above} -> {below}"
    assert "sklstm/_training/train.py" in files_imported("sklstm/_base.py")


@pytest.mark.parametrize("file", [file for file in FILES if "/_training/" in file])
def test_training_knows_only_updates_and_losses_of_the_kernels(file):
    below = [module for module in imported(file) if "._kernels" in module]
    kernels = {".".join(module.split(".")[:3]) for module in below}
    assert kernels <= {"sklstm._kernels.updates", "sklstm._kernels.losses", "sklstm._kernels"}


@pytest.mark.parametrize("file", [file for file in FILES if "/_machine/" in file])
def test_the_machine_knows_nothing_of_an_lstm(file):
    of_sklstm = [module for module in imported(file) if module.startswith("sklstm.")]
    assert all(module.startswith("sklstm._machine") for module in of_sklstm)


@for_each_file
def test_only_required_packages_are_imported_with_a_module(file):
    packages = {module.split(".")[0] for module in imported(file, at_import)}
    allowed = REQUIRED | {"sklstm"} | OF_A_PEER.get(file, set())
    assert packages - sys.stdlib_module_names - allowed == set()


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


OPTIONAL = (
    "torch", "pandas", "polars", "matplotlib", "keras", "tensorflow", "onnx", "skl2onnx", "dask",
    "distributed", "ray",
)  # fmt: skip


def test_import_loads_no_optional_package():
    # scikit-learn loads pandas where it is installed
    code = "import sys, sklearn.utils; before = set(sys.modules); import sklstm"
    loaded = run(code + "; print(*set(sys.modules) - before)").split()
    assert "sklstm._kernels.tickets" in loaded
    assert {module.split(".")[0] for module in loaded}.isdisjoint(OPTIONAL)
    # Loaded by those who ask for it.
    own = {"sklstm.inspection", "sklstm.interop", "sklstm.forecasting", "sklstm.callbacks"}
    assert own.isdisjoint(loaded)


def test_import_needs_no_optional_package():
    code = f"""
import sys

class Hide:
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hide())
import sklstm, sklstm.interop
print("imported")
"""
    assert run(code) == "imported\n"


def test_all_public_names_exist():
    import sklstm
    from sklstm import callbacks, forecasting, inspection, interop

    for module in (sklstm, inspection, interop, forecasting, callbacks):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
