"""Looking inside a fitted net: gates, memory, and what of X a prediction came from."""

from sklstm.inspection._gates import GateActivations, gate_activations, memory_spans
from sklstm.inspection._gradients import input_gradients
from sklstm.inspection._integrated import integrated_gradients
from sklstm.inspection._permutation import permutation_importance

__all__ = [
    "GateActivations",
    "gate_activations",
    "input_gradients",
    "integrated_gradients",
    "memory_spans",
    "permutation_importance",
]
