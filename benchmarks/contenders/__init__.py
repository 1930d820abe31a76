"""The libraries that are compared, one a module, all with the same methods.

A contender is made of a workload, a dtype and sklstm's fitted weights, which it takes over. Its
`train(epochs)` goes on training, and `predictors(X)` gives the ways it has to predict X: callables
of no argument that return what all contenders must agree on.
"""

import importlib

import numpy as np

SKLSTM, TORCH, KERAS, ONNX = "sklstm", "PyTorch", "Keras on JAX", "ONNX Runtime"
_MODULES = {SKLSTM: "sklstm_", TORCH: "torch_", KERAS: "keras_", ONNX: "onnx_"}
# How far predictions with the same weights may be apart: sums over units in another order.
TOLERANCES = {"float32": 1e-5, "float64": 1e-10}


def load(*names):
    """The classes of contenders by name; one that is not installed is left out, which is said."""
    return {name: found for name in names if (found := _load(name)) is not None}


def _load(name):
    try:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}").Contender
    except ModuleNotFoundError as error:
        if name == SKLSTM or error.name.startswith(("sklstm", "benchmarks")):
            raise
        print(f"{name} is left out: {error.name} is not installed")
        return None


def make(classes, workload, dtype=np.float32):
    """A contender of each class, all with the weights that sklstm has after one epoch.

    Raises
    ------
    AssertionError
        If they do not predict the same.
    """
    own = classes[SKLSTM](workload, dtype)
    contenders = {SKLSTM: own}
    for name, kind in classes.items():
        if name != SKLSTM:
            contenders[name] = kind(workload, dtype, own.weights)
    check_agreement(contenders, workload.data(dtype)[0][:256])
    return contenders


def check_agreement(contenders, X):
    """Refuse to compare nets that are not the same."""
    expected = next(iter(contenders[SKLSTM].predictors(X).values()))()
    tolerance = TOLERANCES[str(X.dtype)]
    for name, contender in contenders.items():
        for variant, predict in contender.predictors(X).items():
            np.testing.assert_allclose(
                np.ravel(predict()), expected, tolerance, tolerance, err_msg=f"{name}, {variant}"
            )
