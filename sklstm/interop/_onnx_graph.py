"""A graph of ONNX as it is written: nodes, and the constants that they read."""

import numpy as np

from sklstm.interop._packages import needed

# Of each type of numbers, and of labels.
_TYPES = {"f4": "FLOAT", "f8": "DOUBLE", "i4": "INT32", "i8": "INT64", "b1": "BOOL"}


class Graph:
    """Nodes in the order in which they are computed.

    Parameters
    ----------
    opset : int
        The version of ONNX's operators.
    prefix : str
        What all names start with, so that graphs can be joined.
    """

    def __init__(self, opset, prefix=""):
        self.opset, self.prefix = opset, prefix
        # By domain: "" has ONNX's own operators.
        self.opsets = {"": opset}
        self.nodes, self.constants = [], []
        self._helper = needed("onnx.helper", "to_onnx")
        self._n_names = 0

    def name(self, hint):
        """A new one."""
        self._n_names += 1
        return f"{self.prefix}{hint}_{self._n_names}"

    def add(self, operator, *inputs, n_outputs=1, **attributes):
        """Add a node; returns the name of its output, or a list of several names.

        What is no name is an array, which becomes a constant; None is an input that is left out.
        """
        outputs = [self.name(operator.lower()) for _ in range(n_outputs)]
        self.add_named(operator, inputs, outputs, **attributes)
        return outputs[0] if n_outputs == 1 else outputs

    def add_named(self, operator, inputs, outputs, domain="", **attributes):
        """Add a node whose outputs have these names."""
        inputs = ["" if each is None else self._as_name(each) for each in inputs]
        while inputs and not inputs[-1]:
            # skl2onnx cannot order nodes that name what is left out.
            inputs.pop()
        name = f"{outputs[0]}_{operator}"
        node = self._helper.make_node(
            operator, inputs, outputs, name=name, domain=domain, **attributes
        )
        self.nodes.append(node)

    def constant(self, values):
        """Add an array; returns its name."""
        values, name = np.asarray(values), self.name("constant")
        if values.dtype.kind in "OU":
            texts = [text.encode() for text in values.ravel().tolist()]
            tensor = self._helper.make_tensor(name, tensor_type(str), values.shape, texts)
        else:
            if values.dtype.kind == "i":
                # Where NumPy's integers have 32 bits, too.
                values = values.astype(np.int64)
            from_array = needed("onnx.numpy_helper", "to_onnx").from_array
            tensor = from_array(np.ascontiguousarray(values).reshape(values.shape), name)
        self.constants.append(tensor)
        return name

    def _as_name(self, value):
        return value if isinstance(value, str) else self.constant(value)

    def reduce_max(self, x, axis):
        """The greatest along an axis, which is gone then."""
        if self.opset >= 18:
            return self.add("ReduceMax", x, np.array([axis]), keepdims=0)
        return self.add("ReduceMax", x, axes=[axis], keepdims=0)

    def sum(self, x, axis):
        """The sum along an axis, which is gone then."""
        return self.add("ReduceSum", x, np.array([axis]), keepdims=0)

    def squeeze(self, x, axis):
        """Without an axis of length 1."""
        return self.add("Squeeze", x, np.array([axis]))

    def unsqueeze(self, x, axis):
        """With one more axis of length 1."""
        return self.add("Unsqueeze", x, np.array([axis]))

    def cast(self, x, dtype):
        """As another type."""
        return self.add("Cast", x, to=tensor_type(dtype))

    def size(self, x, axis):
        """Of an axis, in a vector of one number."""
        return self.add("Gather", self.add("Shape", x), np.array([axis]))

    def body(self, name):
        """An empty graph that stands inside a node of this one."""
        return Graph(self.opset, f"{self.prefix}{name}_")

    def as_proto(self, name, inputs, outputs):
        """The graph with inputs and outputs, each (name, type, shape); without idle nodes."""
        self.leave_out_idle_nodes([name for name, _, _ in outputs])
        return self._helper.make_graph(
            self.nodes, name, *(list(map(self._value, values)) for values in (inputs, outputs)),
            self.constants,
        )  # fmt: skip

    def _value(self, value):
        name, dtype, shape = value
        return self._helper.make_tensor_value_info(name, tensor_type(dtype), shape)

    def leave_out_idle_nodes(self, outputs):
        """Drop all that the outputs do not need."""
        wanted, kept = set(outputs), []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= {name for name in _all_inputs(node) if name}
        self.nodes = kept[::-1]
        self.constants = [each for each in self.constants if each.name in wanted]


def _all_inputs(node):
    """What a node reads, its bodies included."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _all_inputs(inner)


def tensor_type(dtype):
    """ONNX's number of a type of NumPy; of str, that of texts."""
    types = needed("onnx", "to_onnx").TensorProto
    return types.STRING if dtype is str else getattr(types, _TYPES[np.dtype(dtype).str[1:]])
