"""In and out: a fitted net as ONNX, as C, and as a net of other libraries."""
