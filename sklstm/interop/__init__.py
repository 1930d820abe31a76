"""In and out: a fitted net as ONNX, as C, and as a net of other libraries, and back."""

from sklstm.interop._c import to_c
from sklstm.interop._keras import from_keras, to_keras
from sklstm.interop._onnx import to_onnx
from sklstm.interop._onnx_converters import register_converters
from sklstm.interop._torch import from_torch, to_torch

__all__ = [
    "from_keras",
    "from_torch",
    "register_converters",
    "to_c",
    "to_keras",
    "to_onnx",
    "to_torch",
]
