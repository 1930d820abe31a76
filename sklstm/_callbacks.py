"""scikit-learn's callbacks, public from 1.9 on; before, they are simply absent."""

try:
    from sklearn.callback import CallbackSupportMixin

    THERE_ARE_CALLBACKS = True
except ImportError:
    THERE_ARE_CALLBACKS = False

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""


# What scikit-learn sets on an estimator that has callbacks, or while it is fitted.
_OF_CALLBACKS = {
    "_skl_callbacks", "_callback_fit_ctx", "_parent_callback_ctx", "_skl_callbacks_to_teardown",
}  # fmt: skip


def checkpoints_of(estimator):
    """Those of its callbacks that keep what a fit needs to go on."""
    return [each for each in getattr(estimator, "_skl_callbacks", []) if hasattr(each, "_keep_fit")]


def without_callbacks(attributes):
    """The attributes of an estimator, as if it had no callbacks."""
    return {name: value for name, value in attributes.items() if name not in _OF_CALLBACKS}


def _somebody_is_told(estimator):
    """Whether there are callbacks, its own or those of who fits it."""
    # To keep a tree of tasks takes some microseconds an epoch, of which small ones have few.
    told = getattr(estimator, "_skl_callbacks", None) or hasattr(estimator, "_parent_callback_ctx")
    return bool(told) and hasattr(estimator, "_init_callback_context")


class FitCallbacks:
    """Tells an estimator's callbacks of a fit and its epochs.

    Parameters
    ----------
    estimator : BaseLSTM
        Whose callbacks they are.
    max_iter : int
        The most epochs.
    attributes : callable
        The fitted attributes as they stand, as a dict.
    X, y : array-like
        As given to fit.
    sample_weight : array-like or None
    """

    def __init__(self, estimator, max_iter, attributes, X, y, sample_weight):
        self._estimator, self._attributes = estimator, attributes
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"X": X, "y": y, "metadata": metadata}
        self._fit, self._epoch = None, None
        if _somebody_is_told(estimator):
            self._fit = estimator._init_callback_context(max_subtasks=max_iter)
            self._fit.call_on_fit_task_begin(estimator=estimator, **self._data)

    def begin_epoch(self):
        """Say that an epoch begins."""
        if self._fit is not None:
            self._epoch = self._fit.subcontext(task_name="epoch")
            self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end_epoch(self):
        """Say that an epoch has ended; whether a callback wants to stop."""
        return self._end(self._epoch)

    def end_fit(self):
        """Say that the fit has ended."""
        self._end(self._fit)

    def _end(self, context):
        return context is not None and context.call_on_fit_task_end(
            estimator=self._estimator, **self._data, reconstruction_attributes=self._attributes
        )
