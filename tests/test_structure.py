"""The house: imports point one way, and few packages are needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sklstm"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))
# From bottom to top. Modules that are not named here are estimators, or what they share.
LAYERS = {"_machine": 0, "_kernels": 1, "_network": 2, "_training": 3}
ESTIMATORS = 4
REQUIRED = {"numpy", "numba", "llvmlite", "scipy", "sklearn"}

for_each_file = pytest.mark.parametrize("file", FILES)


def layer(module):
    """The height of a module of sklstm, given its dotted name."""
    return LAYERS.get(".".join(module.split(".")[1:2]), ESTIMATORS)


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


@for_each_file
def test_imports_point_one_way(file):
    own = layer(name_of(file))
    of_sklstm = [module for module in imported(file) if module.split(".")[0] == "sklstm"]
    assert [module for module in of_sklstm if layer(module) > own] == []


@pytest.mark.parametrize("file", [file for file in FILES if "/_training/" in file])
def test_training_knows_only_updates_and_losses_of_the_kernels(file):
    below = [module for module in imported(file) if layer(module) in (0, 1)]
    kernels = {".".join(module.split(".")[:3]) for module in below if "sklstm" in module}
    assert kernels <= {"sklstm._kernels.updates", "sklstm._kernels.losses"}


@for_each_file
def test_only_required_packages_are_imported_with_a_module(file):
    packages = {module.split(".")[0] for module in imported(file, at_import)}
    assert packages - sys.stdlib_module_names - REQUIRED - {"sklstm"} == set()


def test_the_layers_below_the_estimators_are_there():
    assert {layer(name_of(file)) for file in FILES} >= {0, 1, 2, 3, ESTIMATORS}


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


OPTIONAL = ("torch", "pandas", "matplotlib", "keras", "tensorflow", "onnx")


def test_import_loads_no_optional_package():
    # scikit-learn loads pandas where it is installed
    code = "import sys, sklearn.utils; before = set(sys.modules); import sklstm"
    loaded = run(code + "; print(*set(sys.modules) - before)").split()
    assert "sklstm._kernels.team" in loaded
    assert {module.split(".")[0] for module in loaded}.isdisjoint(OPTIONAL)


def test_import_needs_no_optional_package():
    code = f"""
import sys

class Hide:
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hide())
import sklstm
print("imported")
"""
    assert run(code) == "imported\n"


def test_all_public_names_exist():
    import sklstm

    assert [name for name in sklstm.__all__ if not hasattr(sklstm, name)] == []
