"""In and out: a fitted net as ONNX, as C, and as a net of other libraries."""

from sklstm.interop._onnx import to_onnx

__all__ = ["to_onnx"]
