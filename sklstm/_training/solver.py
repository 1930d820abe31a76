"""What a solver is: how an objective is minimised, and what others have to know of it."""

from abc import ABC, abstractmethod


class Solver(ABC):
    """The settings of a solver, and its answers; what it remembers is apart, in `Progress`."""

    # Whom warnings name.
    title: str
    # Whether it can train on the rows of a partial_fit and forget them.
    takes_minibatches: bool
    # The most samples for which it asks the objective at a time.
    batch_size: int

    @property
    @abstractmethod
    def decoupled(self):
        """Whether the penalty shrinks the weights apart from the gradient."""

    @classmethod
    @abstractmethod
    def of(cls, estimator):
        """The solver of an estimator's parameters; ValueError if they go with none."""

    @abstractmethod
    def init(self, weights):
        """What it remembers before the first step, a dict of arrays."""

    @abstractmethod
    def run(self, objective, watch, data, settings, progress, bit_generator):
        """Minimise until something ends it; returns the `End`.

        `progress` is updated in place, and `watch` told of each epoch.
        """

    @abstractmethod
    def exhausted(self, end, settings):
        """The name and size of a limit, if it was reached before anything converged; or None."""

    @abstractmethod
    def last_words(self, impatience):
        """What to print when patience has run out, which `impatience` says; None: nothing."""

    @abstractmethod
    def remedy(self, settings):
        """What keeps the loss finite, in words."""
