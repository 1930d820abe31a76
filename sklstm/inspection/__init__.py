"""Looking inside a fitted net: gates, memory, what of X a prediction came from; and pictures."""

from sklstm.inspection._attribution_display import AttributionDisplay
from sklstm.inspection._forecast_display import ForecastDisplay
from sklstm.inspection._gate_activations_display import GateActivationsDisplay
from sklstm.inspection._gates import GateActivations, gate_activations, memory_spans
from sklstm.inspection._gradients import input_gradients
from sklstm.inspection._integrated import integrated_gradients
from sklstm.inspection._loss_curve_display import LossCurveDisplay
from sklstm.inspection._permutation import permutation_importance

__all__ = [
    "AttributionDisplay",
    "ForecastDisplay",
    "GateActivations",
    "GateActivationsDisplay",
    "LossCurveDisplay",
    "gate_activations",
    "input_gradients",
    "integrated_gradients",
    "memory_spans",
    "permutation_importance",
]
