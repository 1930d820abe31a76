"""Whether what was loaded from a file can be the state of a fitted net."""

import numpy as np

from sklstm._forms import FLOATS
from sklstm._network.parameters import Architecture


def check_state(state):
    """Refuse a state that no fit leaves behind; kernels would read beyond what there is."""
    try:
        architecture = Architecture(*state["_shape"])
        n_weights, n_outputs = architecture.n_weights, architecture.n_outputs
        wanted = {
            "_weights": (n_weights,),
            "_scaled_weights": (n_weights,),
            "_scaling": (2, architecture.n_features),
            "_target_mean": (n_outputs,),
            "_target_deviation": (n_outputs,),
        }
        arrays = {name: state[name] for name in wanted}
        moments = {f"_memory[{name!r}]": each for name, each in state["_memory"].items()}
        arrays |= moments
        wanted |= dict.fromkeys(moments, (n_weights,))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"This is not the state of a fitted net: {error!r}.") from error
    for name, array in arrays.items():
        if (
            type(array) not in (np.ndarray, np.memmap)
            or array.dtype not in FLOATS
            or not array.dtype.isnative
            or array.shape != wanted[name]
        ):
            raise ValueError(
                f"{name} must be an array of float32 or float64 of shape {wanted[name]}, got "
                f"{getattr(array, 'dtype', type(array))} of {np.shape(array)}."
            )
