"""sklstm beside its peers: `python -m benchmarks`, from a clone; README.md has the rest.

Importing this package sets what must be set before NumPy, Keras and JAX are loaded.
"""

import os

# They make OpenBLAS take kernels of another processor than the one it runs on.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
