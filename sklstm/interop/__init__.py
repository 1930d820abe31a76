"""In and out: a fitted net as ONNX, as C, and as a net of other libraries."""

from sklstm.interop._c import to_c
from sklstm.interop._onnx import to_onnx
from sklstm.interop._onnx_converters import register_converters

__all__ = ["register_converters", "to_c", "to_onnx"]
