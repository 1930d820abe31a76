"""ONNX Runtime: prediction alone, by a graph of the standard's own LSTM operator."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.machine import n_threads

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years


def graph(workload, weights):
    """Transpose, LSTM a layer, and Gemm on the last hidden state of each direction; float32."""
    constants, nodes = [], [helper.make_node("Transpose", ["X"], ["steps_0"], perm=[1, 0, 2])]

    def constant(name, array):
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    for layer in range(len(workload.units)):
        of = slice(layer * workload.directions, (layer + 1) * workload.directions)
        W = constant(f"W_{layer}", np.stack([_reorder(w) for w in weights.input[of]]))
        R = constant(f"R_{layer}", np.stack([_reorder(u) for u in weights.recurrent[of]]))
        b = np.stack([_reorder(b) for b in weights.biases[of]])
        # A second bias goes with the recurrent weights.
        B = constant(f"B_{layer}", np.concatenate([b, np.zeros_like(b)], axis=1))
        nodes += [
            helper.make_node(
                "LSTM", [f"steps_{layer}", W, R, B], [f"all_{layer}", f"last_{layer}"],
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
    constant("V", weights.output)
    constant("c", weights.output_bias)
    if len(workload.units) > 1:
        constant("joined_3", np.array([0, 0, -1]))
    constant("joined_2", np.array([0, -1]))
    X = helper.make_tensor_value_info(
        "X", TensorProto.FLOAT, ["batch", workload.steps, workload.inputs]
    )
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])
    return helper.make_model(
        helper.make_graph(nodes, "lstm", [X], [y], constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _reorder(gates):
    """Gates input, forget, cell, output to ONNX's input, output, forget, cell."""
    i, f, g, o = np.split(gates, 4)
    return np.concatenate([i, o, f, g])


class Contender:
    """A session on the graph; its threads spin, as they do by default."""

    def __init__(self, workload, dtype, weights):
        assert dtype == np.float32
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads()
        self._session = onnxruntime.InferenceSession(
            graph(workload, weights).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )

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
