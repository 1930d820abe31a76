"""Faults at a chosen moment of a fit: an interrupt or an error, and numbers that diverge."""

from sklstm._network.rounds import Learner


def interrupt_at(monkeypatch, call, error=KeyboardInterrupt):
    """Make the loss and its gradient raise at their `call`-th evaluation."""
    learn, calls = Learner.learn, []

    def interrupted_learn(self, weights, rows, *rest):
        calls.append(rows)
        if len(calls) == call:
            raise error
        return learn(self, weights, rows, *rest)

    monkeypatch.setattr(Learner, "learn", interrupted_learn)


def diverge_from(monkeypatch, call, number):
    """Let the loss and its gradient be NaN or infinite from the `call`-th evaluation on."""
    learn, calls = Learner.learn, []

    def diverging_learn(self, weights, rows, *rest):
        calls.append(rows)
        loss, gradient = learn(self, weights, rows, *rest)
        offset = number if len(calls) >= call else 0
        return loss + offset, gradient + offset

    monkeypatch.setattr(Learner, "learn", diverging_learn)
