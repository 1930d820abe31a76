"""Modules that are reloaded, or imported anew, while nets and machine code of before live on."""

import pytest
from processes import run_warm

PRELUDE = """
import gc
import importlib
import sys

import numpy as np
import sklstm

X = np.random.RandomState(0).normal(size=(40, 6, 2))
Y = X[:, -1, 0], np.arange(40) % 3


def make(package):
    how = {"tol": 0, "n_iter_no_change": np.inf, "max_iter": 2, "random_state": 0}
    return package.LSTMRegressor((4, 3), **how), package.LSTMClassifier(4, **how)


def fit(nets, dtype):
    for net, y in zip(nets, Y):
        net.fit(X.astype(dtype), y)
    return nets


def predictions(nets, dtype):
    return [net.predict(X.astype(dtype)).tolist() for net in nets]


old = fit(make(sklstm), np.float64)
expected = predictions(old, np.float64)


def check():
    gc.collect()
    # What takes the place of memory that was given back.
    rest = [np.full(size, 0x41414141) for size in range(1, 100) for _ in range(20)]
    assert predictions(old, np.float64) == expected
    # Its kernels were never needed before: what is loaded now belongs to code of before.
    single = predictions(fit(old, np.float32), np.float32)
    new = make(importlib.import_module("sklstm"))
    assert predictions(fit(new, np.float64), np.float64) == expected
    assert predictions(fit(new, np.float32), np.float32) == single
    fit(old, np.float64)


def names():
    return sorted(name for name in sys.modules if name.split(".")[0] == "sklstm")


"""
RELOAD = """
for count, name in enumerate({order}):
    importlib.reload(sys.modules[name])
    if count % {every} == 0:
        check()
if {every} > 1:
    check()
"""
WAYS = {
    "in alphabetical order": RELOAD.format(order="names()", every=1),
    "in some order": RELOAD.format(order="np.random.RandomState(0).permutation(names())", every=5),
    "all imported anew": """
for _ in range(2):
    for name in names():
        del sys.modules[name]
    check()
""",
    "some imported anew": """
for name in names():
    if name.startswith(("sklstm._kernels.", "sklstm._machine.")):
        del sys.modules[name]
        importlib.reload(importlib.import_module("sklstm._machine.panels"))
        check()
""",
}


@pytest.mark.cold
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_old_and_new_nets_work_after_a_reload(way):
    run_warm(PRELUDE + way)
