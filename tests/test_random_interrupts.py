"""A short hunt with interrupts at random moments."""

import ast
import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import small_net
from problems import use_threads

from sklstm._machine.undisturbed import undisturbed
from sklstm._network.workers import Workers

HUNT = Path(__file__).with_name("hunt_interrupts.py")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted on Linux")
def test_interrupts_at_random_moments_spoil_nothing():
    command = [sys.executable, str(HUNT), "--calls", "150"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = ast.literal_eval(result.stdout.splitlines()[-1])
    # About half of them come while the call still runs.
    assert found.pop("interrupted") > 30
    assert found == {"calls": 150, "spoilt": 0, "threads left": 0, "other errors": 0}


@pytest.mark.cold
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_interrupts_of_cold_starts_spoil_nothing():
    command = [sys.executable, str(HUNT), "--cold", "--calls", "5"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    found = ast.literal_eval(result.stdout.splitlines()[-1])
    assert found["interrupted"] >= 5
    assert (found["calls"], found["spoilt"], found["other errors"]) == (5, 0, 0)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise on Windows")
def test_ctrl_c_while_another_thread_compiles_takes_effect_after_both():
    entered, compiled = threading.Event(), []

    def compile_elsewhere():
        with undisturbed():
            entered.set()
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
            # The main thread, which waits for the compiler, has been told by now.
            time.sleep(0.2)
            compiled.append("elsewhere")

    def enter_and_leave():
        with undisturbed():
            pass

    thread = threading.Thread(target=compile_elsewhere)
    try:
        thread.start()
        assert entered.wait(10)
        with pytest.raises(KeyboardInterrupt), undisturbed():
            compiled.append("here")
        assert compiled == ["elsewhere", "here"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        thread.join()
    # Nobody holds the lock any more.
    again = threading.Thread(target=enter_and_leave, daemon=True)
    again.start()
    again.join(10)
    assert not again.is_alive()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupt_as_a_fit_ends_leaves_no_thread_until_garbage_is_collected(
    X, y, monkeypatch, workers, solver, early_stopping
):
    def interrupted(self):
        raise KeyboardInterrupt

    X, y = X.repeat(2, axis=0), y.repeat(2)
    use_threads(monkeypatch, 3)
    monkeypatch.setattr(Workers, "leave", interrupted)
    gc.disable()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            small_net(solver=solver, early_stopping=early_stopping, batch_size=64).fit(X, y)
        assert workers.started
        assert workers.all_ended()
    finally:
        gc.enable()
