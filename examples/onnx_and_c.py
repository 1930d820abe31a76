"""
Out of Python: the same net as ONNX and as C
============================================

A tank is filled and emptied; a sensor that is slow and noisy sends its level once a second. A net
learns how full the tank is from rows of pump, valve and sensor. Then it leaves: as a model of ONNX
for whatever runs ONNX, and as one file of C for a processor beside the tank. Both must say what
the net says here.

    pip install "sklstm[interop]"
    python examples/onnx_and_c.py

What is not installed, ONNX Runtime or gcc, is left out, which is said.
"""

# %%
# Tanks, and what is known of them
# --------------------------------
#
# The level follows pump and valve. The sensor follows the level with a delay of about ten steps.

import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sklstm import LSTMRegressor
from sklstm.interop import to_c, to_onnx


def tanks(n, steps, rng):
    """Rows of pump, valve and sensor (n, steps, 3), and the level at each step (n, steps)."""
    # Both change every twenty steps.
    switches = rng.random((n, steps // 20 + 1, 2)) < (0.5, 0.4)
    pump, valve = np.moveaxis(np.repeat(switches, 20, axis=1)[:, :steps].astype(float), 2, 0)
    level, sensor = np.empty((n, steps)), np.empty((n, steps))
    now = seen = rng.uniform(20, 80, n)
    for t in range(steps):
        now = np.clip(now + 0.8 * pump[:, t] - 0.012 * now * valve[:, t], 0, 100)
        seen = seen + 0.1 * (now - seen)
        level[:, t], sensor[:, t] = now, seen + rng.normal(0, 2, n)
    return np.stack([pump, valve, sensor], axis=2).astype(np.float32), level


rng = np.random.default_rng(0)
X, level = tanks(400, 120, rng)
X_new, level_new = tanks(50, 400, rng)

# %%
# The net
# -------
#
# With `pooling=None` it answers at each step. It has learnt from 120 steps, and goes on for 400.

model = LSTMRegressor(
    16, pooling=None, learning_rate="cosine", learning_rate_init=0.01, max_iter=30, random_state=0
)
# In a list, sequences may be of any length.
model.fit(list(X), list(level))
answers = model.predict(X_new)


def error(levels):
    """The root of the mean squared error, in percent of a full tank."""
    return np.sqrt(np.mean((levels - level_new) ** 2))


print(f"Error of the sensor: {error(X_new[:, :, 2]):.2f}, of the net: {error(answers):.2f}")

# %%
# As ONNX
# -------
#
# One file, which ONNX Runtime runs without sklstm: from the sequences of all tanks to their levels.

folder = Path(tempfile.mkdtemp())
if find_spec("onnx") is None or find_spec("onnxruntime") is None:
    print("ONNX is left out: pip install onnx onnxruntime")
else:
    import onnxruntime

    path = folder / "level.onnx"
    path.write_bytes(to_onnx(model).SerializeToString())
    session = onnxruntime.InferenceSession(path)
    (by_onnx,) = session.run(None, {"X": X_new})
    print(f"ONNX: {path.stat().st_size / 1000:.1f} kB, "
          f"differs by {np.abs(by_onnx - answers).max():.1e} at most")  # fmt: skip

# %%
# As C
# ----
#
# One file again, and a program around it: it reads a row of each second from its standard input,
# and prints the level. Nothing is allocated, and only the state of one net is kept.

(folder / "level.c").write_text(to_c(model, name="level"))
(folder / "main.c").write_text("""\
#include "level.c"
#include <stdio.h>

int main(void)
{
    float x[LEVEL_FEATURES], y[LEVEL_ANSWERS];
    level_state state;

    level_reset(&state);
    while (scanf("%f %f %f", &x[0], &x[1], &x[2]) == 3) {
        level_step(&state, x, y);
        printf("%.7g\\n", y[0]);
    }
    return 0;
}
""")
if shutil.which("gcc") is None:
    print("C is left out: gcc is not installed")
else:
    compile_it = ["gcc", "-std=c99", "-O2", "main.c", "-o", "level", "-lm"]
    subprocess.run(compile_it, cwd=folder, check=True)
    rows = "\n".join(" ".join(map(str, row)) for row in X_new[0])
    ran = subprocess.run([folder / "level"], input=rows, capture_output=True, text=True, check=True)
    by_c = np.array(ran.stdout.split(), np.float32)
    print(f"C: {(folder / 'level.c').stat().st_size / 1000:.1f} kB of text, "
          f"differs by {np.abs(by_c - answers[0]).max():.1e} at most")  # fmt: skip
