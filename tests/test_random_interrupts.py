"""A short hunt with interrupts at random moments."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HUNT = Path(__file__).with_name("hunt_interrupts.py")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted on Linux")
def test_interrupts_at_random_moments_spoil_nothing():
    command = [sys.executable, str(HUNT), "--calls", "150"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = ast.literal_eval(result.stdout.splitlines()[-1])
    # About half of them come while the call still runs.
    assert found.pop("interrupted") > 30
    assert found == {"calls": 150, "spoilt": 0, "threads left": 0, "other errors": 0}
