"""A short hunt with random nets."""

import hunt_nets
import numpy as np
import pytest
import reference


def test_random_nets_are_right_whatever_they_are_given_as():
    found = hunt_nets.hunt(seed=0, wanted=60, minutes=0)
    assert found["fits"] == 60
    assert not any(found["failed"].values()), found


def fail(monkeypatch, what):
    """What the hunt says of nets of which this is not right."""
    monkeypatch.setattr(*what)
    return {name for name, n in hunt_nets.hunt(0, 5, 0)["failed"].items() if n}


def predict_more(model, X, predict=hunt_nets.output):
    """As in a batch where each row knows of the others."""
    return predict(model, X) + np.float32(len(X))


@pytest.mark.parametrize(
    ("what", "failed"),
    [
        ((reference, "sigmoid", np.tanh), {"agrees with the twin"}),
        ((hunt_nets, "output", predict_more), {"agrees with the twin", "rows are independent"}),
        (
            (hunt_nets, "DAMAGES", {"none": lambda drawn: {}}),
            {"a refused call changes nothing"},
        ),
    ],
    ids=["a wrong number", "a row that knows of others", "a call that is taken"],
)
def test_the_hunt_can_fail(monkeypatch, capsys, what, failed):
    assert fail(monkeypatch, what) == failed
    assert "--seed" in capsys.readouterr().out
