"""X of any small shape, type and strides, for as long as you like.

`python tests/hunt_shapes.py --minutes 60` hunts for an hour; the tests run some seconds of it. The
first round draws from the seed, the next from the one after it.
"""

import sys
import time
import traceback
import warnings
from pathlib import Path

import hypothesis

sys.path.insert(0, str(Path(__file__).parents[1]))

from hunting import parser_of
from test_shapes_of_input import SHORT, anything, check_fit, check_predict

ROUND = 1000


def hunt(seed, wanted, minutes):
    """Look at `wanted` X at least, or for so many minutes; what was found, by its kind."""
    found = {"calls": 0, "taken": 0, "rounds that failed": 0}
    end = time.monotonic() + 60 * minutes

    def look(X):
        for check in (check_fit, check_predict):
            found["calls"] += 1
            found["taken"] += check(X)

    settings = hypothesis.settings(SHORT, derandomize=False, max_examples=ROUND)
    while found["calls"] < wanted or time.monotonic() < end:
        look_often = hypothesis.seed(seed)(settings(hypothesis.given(anything)(look)))
        try:
            look_often()
        except Exception:
            print(f"--seed {seed} --calls 1:\n{traceback.format_exc()}")
            found["rounds that failed"] += 1
        seed += 1
    return found


if __name__ == "__main__":
    arguments = parser_of(__doc__, "calls").parse_args()
    # As in the tests, but that the last epoch is the last.
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message="Stochastic Optimizer")
    found = hunt(arguments.seed, arguments.calls, arguments.minutes)
    print(found)
    sys.exit(found["rounds that failed"] > 0)
