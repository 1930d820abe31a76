"""Whether the quickstart prints what the README shows: `python .ci/quickstart.py OUTPUT`.

On another processor an LSTM is rounded otherwise, so its seeds give other nets, and the search may
choose other settings. What must hold there: the ranges of the seeds overlap.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(
    r"^(persistence|Ridge|LSTM) +(\d+\.\d+) +\d+\.\d+(?: .* from (\S+) to (\S+))?$", re.MULTILINE
)
ROUNDING = 0.011  # two digits after the point are shown


def main(output):
    """End with what differs, if anything does."""
    shown, printed = ranges(README.read_text(encoding="utf-8")), ranges(output)
    if list(shown) != ["persistence", "Ridge", "LSTM"] or list(printed) != list(shown):
        sys.exit(f"Rows of the README: {list(shown)}, of the output: {list(printed)}.")
    for name, (lowest, highest) in shown.items():
        low, high = printed[name]
        if low > highest + ROUNDING or high < lowest - ROUNDING:
            sys.exit(f"RMSE of {name}: {low} to {high}; the README shows {lowest} to {highest}.")


def ranges(text):
    """The lowest and the highest RMSE of each forecast."""
    return {
        name: (float(low or rmse), float(high or rmse))
        for name, rmse, low, high in ROW.findall(text)
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text(encoding="utf-8"))
