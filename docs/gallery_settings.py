"""How the examples become pages: their order, and what the slow ones are asked for."""

from pathlib import Path

# In the order in which one may want to read them.
ORDER = [
    "first_steps",
    "quickstart",
    "multivariate_forecast",
    "forecast_with_a_band",
    "us_births",
    "variable_length",
    "what_mattered",
    "digits",
    "japanese_vowels",
    "sensor_quantiles",
    "label_each_step",
    "live_monitor",
    "onnx_and_c",
    "adding_problem",
    "latch",
]
# The build runs these with fewer seeds than the examples take by themselves.
ARGUMENTS = {"adding_problem": ["--seeds", "0"], "latch": ["--seeds", "0"]}


def place(filename):
    """Where an example stands."""
    return ORDER.index(Path(filename).stem)


def arguments(gallery_conf, script_vars):
    """What is on the command line of an example."""
    return ARGUMENTS.get(Path(script_vars["src_file"]).stem, [])
