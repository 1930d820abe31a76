"""Files of to_c, compiled and run: whole sequences, and step by step."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
GCC = shutil.which("gcc")
needs_gcc = pytest.mark.skipif(GCC is None, reason="gcc is not installed")

# Reads sequences from stdin: how many, and of each its steps and numbers. Writes the answers.
MAIN = """
#include <stdio.h>
#include <stdlib.h>

static int32_t count(void)
{{
    int32_t n = 0;

    return fread(&n, sizeof n, 1, stdin) == 1 ? n : 0;
}}

static float *floats(size_t n)
{{
    /* Of the very size, so that what is read or written behind it is found. */
    float *x = malloc(n * sizeof *x);

    if (x == NULL)
        exit(1);
    for (size_t i = 0; i < n; i++)
        x[i] = -12345.0f;
    return x;
}}
{runs}
int main(void)
{{
{calls}
    return 0;
}}
"""
RUN = """
static void run_{name}(void)
{{
    for (int32_t n = count(); n > 0; n--) {{
        const size_t n_steps = (size_t)count();
        float *x = floats(n_steps * {NAME}_FEATURES);
        float *y = floats({n_answers} * {NAME}_ANSWERS);

        if (fread(x, sizeof *x, n_steps * {NAME}_FEATURES, stdin) != n_steps * {NAME}_FEATURES)
            exit(1);
{predict}        free(x);
        free(y);
    }}
}}
"""
WRITE = """\
        fwrite(y, sizeof *y, {n_answers} * {NAME}_ANSWERS, stdout);
"""
PREDICT = """\
        {name}_predict(x, n_steps, y);
"""
STEP = """\
        {name}_state *state = malloc(sizeof *state);
        if (state == NULL)
            exit(1);
        {name}_reset(state);
        for (size_t t = 0; t < n_steps; t++) {{
            {name}_step(state, x + t * {NAME}_FEATURES, y);
            fwrite(y, sizeof *y, {NAME}_ANSWERS, stdout);
        }}
        free(state);
"""
PREDICT_BOTH = """\
        float *buffer = floats({NAME}_BUFFER(n_steps));
        {name}_predict(x, n_steps, y, buffer);
        free(buffer);
"""


class Compiled:
    """Some nets in one program.

    Parameters
    ----------
    codes : dict of str
        The files by the names of the nets.
    of_steps : set of str
        The nets that answer for each step.
    folder : Path
    flags : list of str
    """

    def __init__(self, codes, of_steps, folder, flags):
        runs = []
        self._can_stream = {}
        for name, code in codes.items():
            self._can_stream[name] = f"{name}_step(" in code
            n_answers = "n_steps" if name in of_steps else "1"
            words = {"name": name, "NAME": name.upper(), "n_answers": n_answers}
            way = PREDICT + WRITE + STEP if self._can_stream[name] else PREDICT_BOTH + WRITE
            runs.append(RUN.format(**words, predict=way.format(**words)))
        calls = "\n".join(f"    run_{name}();" for name in codes)
        source = "".join(codes.values()) + MAIN.format(runs="".join(runs), calls=calls)
        (folder / "nets.c").write_text(source, encoding="ascii")
        compile_c(folder, "nets.c", "nets", [*flags, "-lm"])
        self._program, self._of_steps = folder / "nets", of_steps

    def answers(self, sequences):
        """Of whole sequences, and of each step of these, or None: lists by the names of nets.

        Parameters
        ----------
        sequences : dict of list of ndarray of float32, of shape (timesteps_i, n_features)
        """
        given = b"".join(
            struct.pack("i", len(own))
            + b"".join(struct.pack("i", len(x)) + x.tobytes() for x in own)
            for own in sequences.values()
        )
        ran = subprocess.run([self._program], input=given, capture_output=True)
        assert (ran.returncode, ran.stderr.decode()) == (0, "")
        return np.frombuffer(ran.stdout, np.float32)

    def split(self, numbers, sequences, widths):
        """What `answers` gave, in an array a sequence: (n_answers, width), and (steps, width)."""
        at, whole, steps = 0, {}, {}
        for name, own in sequences.items():
            whole[name], steps[name] = [], []
            for x in own:
                for to, rows in (
                    (whole[name], len(x) if name in self._of_steps else 1),
                    (steps[name], len(x) if self._can_stream[name] else 0),
                ):
                    size = rows * widths[name]
                    to.append(numbers[at : at + size].reshape(rows, widths[name]))
                    at += size
        assert at == len(numbers)
        return whole, steps


def compile_c(folder, source, target, flags):
    """Run gcc; its warnings are errors."""
    command = [GCC, *STRICT, source, "-o", target, *flags]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
