"""What is known of each epoch."""


class History:
    """Of each epoch the mean objective, and the score and the mean loss of validation, if any.

    Copies share the epochs that they have in common, since these never change: a copy takes no
    longer after thousands of calls of partial_fit.

    Parameters
    ----------
    epochs : iterable of (float, float or None, float or None), default=()
    """

    def __init__(self, epochs=()):
        # The newest epoch and, in the same form, those before it; None: there are none.
        self._epochs, self._count = None, 0
        for epoch in epochs:
            self.append(epoch)

    def append(self, epoch):
        """Add one; other copies are left as they are."""
        self._epochs, self._count = (epoch, self._epochs), self._count + 1

    def copy(self):
        """One to which more can be added."""
        other = History()
        other._epochs, other._count = self._epochs, self._count
        return other

    @property
    def newest(self):
        """The last epoch, or None."""
        return self._epochs and self._epochs[0]

    @property
    def losses(self):
        """The mean objective of each epoch."""
        return [loss for loss, _, _ in self]

    @property
    def scores(self):
        """The validation scores of the epochs that were validated."""
        return [score for _, score, _ in self if score is not None]

    @property
    def validation_losses(self):
        """The mean loss of the validation rows after these epochs."""
        return [loss for _, _, loss in self if loss is not None]

    def __len__(self):
        return self._count

    def __iter__(self):
        epochs, rest = [], self._epochs
        while rest is not None:
            newest, rest = rest
            epochs.append(newest)
        return reversed(epochs)

    def __reduce__(self):
        # By recursion, Python would give up after a thousand.
        return History, (list(self),)
