"""Types of what the public functions take and return, for those who check theirs."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Arrays of 2 or 3 dimensions, data frames, or a list of such; how many dimensions no type says.
SequencesLike: TypeAlias = ArrayLike | Sequence[ArrayLike]
# float32 or float64, which depends on what was given.
Floats: TypeAlias = NDArray[np.floating[Any]]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def keeps_type(decorator: Any) -> Callable[[_Function], _Function]:
    """A decorator of scikit-learn, which has no types and would hide those of the function."""
    return decorator
