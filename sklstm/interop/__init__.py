"""In and out: a fitted net as ONNX, as C, and as a net of other libraries."""

from sklstm.interop._keras import from_keras, to_keras
from sklstm.interop._torch import from_torch, to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]
