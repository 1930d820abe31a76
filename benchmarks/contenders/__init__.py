"""The libraries that are compared, one a module, all with the same methods.

A contender is made of a workload, a dtype and sklstm's fitted weights, which it takes over. Its
`train(epochs)` goes on training, and `predictors(X)` gives the ways it has to predict X: callables
of no argument that return what all contenders must agree on. `steppers(n_series)` gives the ways it
has to read series step by step, each with states of its own that start at zero: callables of one
more step x of each series, an array (n_series, inputs), that return what is predicted after it.
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


def check_steps(steppers, X, expected):
    """Refuse to compare streams that part at any step, or that do not end at what is expected.

    Parameters
    ----------
    steppers : dict of str to dict of str to callable
        Of each contender, by its name and the way's; their states are moved on.
    X : ndarray of shape (n_series, n_timesteps, n_features)
    expected : ndarray of shape (n_series,)
        What a contender that reads all steps at once predicts.

    Raises
    ------
    AssertionError
        If they differ by more than sums in another order do.
    """
    tolerance = TOLERANCES[str(X.dtype)]
    answers = {
        f"{name}, {way}": [np.ravel(step(x)).copy() for x in steps_of(X)]
        for name, ways in steppers.items()
        for way, step in ways.items()
    }
    first = next(iter(answers.values()))
    np.testing.assert_allclose(first[-1], expected, tolerance, tolerance)
    for name, each in answers.items():
        np.testing.assert_allclose(each, first, tolerance, tolerance, err_msg=name)


def steps_of(X):
    """The steps of some series, each an array (n_series, n_features) of its own."""
    return [np.ascontiguousarray(X[:, step]) for step in range(X.shape[1])]
