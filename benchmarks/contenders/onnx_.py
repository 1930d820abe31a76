"""ONNX Runtime: prediction alone, by a graph of the standard's own LSTM operator."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.machine import n_threads

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years


def graph(workload, weights):
    """Transpose, LSTM a layer, and Gemm on the last hidden state of each direction; float32."""
    constants = _constants(workload, weights)
    nodes = [helper.make_node("Transpose", ["X"], ["steps_0"], perm=[1, 0, 2])]
    for layer in range(len(workload.units)):
        nodes += [
            helper.make_node(
                "LSTM", [f"steps_{layer}", *_weights_of(layer)], [f"all_{layer}", f"last_{layer}"],
                hidden_size=workload.units[layer],
                direction="bidirectional" if workload.bidirectional else "forward",
            ),
            # (steps, directions, batch, units) to (steps, batch, directions x units)
            helper.make_node("Transpose", [f"all_{layer}"], [f"turned_{layer}"], perm=[0, 2, 1, 3]),
            helper.make_node(
                "Reshape", [f"turned_{layer}", "joined_3"], [f"steps_{layer + 1}"]
            ),
        ]  # fmt: skip
    del nodes[-2:]  # what lies above the top layer
    top = f"last_{len(workload.units) - 1}"
    nodes += [
        helper.make_node("Transpose", [top], ["by_row"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["by_row", "joined_2"], ["head_inputs"]),
        helper.make_node("Gemm", ["head_inputs", "V", "c"], ["y"], transB=1),
    ]
    if len(workload.units) > 1:
        constants["joined_3"] = np.array([0, 0, -1])
    constants["joined_2"] = np.array([0, -1])
    X = _info("X", ["batch", workload.steps, workload.inputs])
    return _model(nodes, [X], [_info("y", ["batch", 1])], constants)


def step_graph(workload, weights, n_series):
    """The LSTMs for one step, whose states are inputs and outputs, and Gemm; float32."""
    inputs, outputs, nodes = [_info("x", [1, n_series, workload.inputs])], [], []
    x = "x"
    for layer, units in enumerate(workload.units):
        before, after = [f"h_{layer}", f"c_{layer}"], [f"new_h_{layer}", f"new_c_{layer}"]
        nodes.append(
            helper.make_node(
                "LSTM", [x, *_weights_of(layer), "", *before], ["", *after], hidden_size=units
            )
        )
        inputs += [_info(name, [1, n_series, units]) for name in before]
        outputs += [_info(name, [1, n_series, units]) for name in after]
        # (directions, batch, units) is (steps, batch, units) here: both begin with 1.
        x = after[0]
    nodes += [
        helper.make_node("Squeeze", [x, "first"], ["head_inputs"]),
        helper.make_node("Gemm", ["head_inputs", "V", "c"], ["y"], transB=1),
    ]
    constants = _constants(workload, weights) | {"first": np.array([0])}
    return _model(nodes, inputs, [_info("y", [n_series, 1]), *outputs], constants)


def _constants(workload, weights):
    """All weights, by the names that they have in a graph."""
    constants = {"V": weights.output, "c": weights.output_bias}
    for layer in range(len(workload.units)):
        of = slice(layer * workload.directions, (layer + 1) * workload.directions)
        b = np.stack([_reorder(b) for b in weights.biases[of]])
        arrays = (
            np.stack([_reorder(w) for w in weights.input[of]]),
            np.stack([_reorder(u) for u in weights.recurrent[of]]),
            # A second bias goes with the recurrent weights.
            np.concatenate([b, np.zeros_like(b)], axis=1),
        )
        constants |= zip(_weights_of(layer), arrays, strict=True)
    return constants


def _weights_of(layer):
    return [f"W_{layer}", f"R_{layer}", f"B_{layer}"]


def _info(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(nodes, inputs, outputs, constants):
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(array), name)
        for name, array in constants.items()
    ]
    return helper.make_model(
        helper.make_graph(nodes, "lstm", inputs, outputs, constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _reorder(gates):
    """Gates input, forget, cell, output to ONNX's input, output, forget, cell."""
    i, f, g, o = np.split(gates, 4)
    return np.concatenate([i, o, f, g])


def _session(model, threads):
    """A session whose threads spin, as they do by default."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class CarriedArrays:
    """A session from arrays to arrays: the states that come out go in at the next step."""

    def __init__(self, session):
        self._run = session.run
        _, *states = session.get_inputs()
        self._feed = {each.name: np.zeros(each.shape, np.float32) for each in states}

    def __call__(self, x):
        y, *states = self._run(None, {"x": x[np.newaxis], **self._feed})
        self._feed = dict(zip(self._feed, states, strict=True))
        return y


class BoundArrays:
    """The same without new arrays: two sets of states take turns as inputs and outputs."""

    def __init__(self, session):
        self._run, self._bindings = session.run_with_iobinding, []
        (x, *states), (y, *new_states) = session.get_inputs(), session.get_outputs()
        self._x, self._y = np.zeros(x.shape, np.float32), np.zeros(y.shape, np.float32)
        self._sets = [[np.zeros(each.shape, np.float32) for each in states] for _ in range(2)]
        for before, after in (self._sets, self._sets[::-1]):
            binding = session.io_binding()
            for each, array in zip((x, *states), (self._x, *before), strict=True):
                binding.bind_ortvalue_input(each.name, _shared(array))
            for each, array in zip((y, *new_states), (self._y, *after), strict=True):
                binding.bind_ortvalue_output(each.name, _shared(array))
            self._bindings.append(binding)

    def __call__(self, x):
        self._x[0] = x
        self._run(self._bindings[0])
        self._bindings.reverse()
        return self._y.copy()


def _shared(array):
    """A value of ONNX Runtime in the memory of an array."""
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


class Contender:
    """A session on the graph, with as many threads as all others."""

    def __init__(self, workload, dtype, weights):
        assert dtype == np.float32
        self._workload, self._weights = workload, weights
        self._session = _session(graph(workload, weights), n_threads())

    def predictors(self, X):
        """From arrays to arrays."""

        def predict(size):
            parts = [
                self._session.run(None, {"X": X[first : first + size]})[0]
                for first in range(0, len(X), size)
            ]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)

        return {
            f"batches of {size}": lambda size=size: predict(size)
            for size in sorted({min(256, len(X)), len(X)})
        }

    def steppers(self, n_series):
        """One thread, or as many as all others; new arrays at each step, or the same."""
        model = step_graph(self._workload, self._weights, n_series)
        sessions = {threads: _session(model, threads) for threads in {1, n_threads()}}
        return {
            f"{way}, {threads} thread" + "s" * (threads > 1): kind(session)
            for way, kind in (("arrays", CarriedArrays), ("bound arrays", BoundArrays))
            for threads, session in sessions.items()
        }
