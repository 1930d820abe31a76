"""The history of epochs: copies share what they have in common, and files hold plain values."""

import copy
import pickle

import pytest

from sklstm import LSTMRegressor
from sklstm._training.history import History

EPOCHS = [(0.3, None, None), (0.2, 0.5, 0.4), (0.1, 0.6, 0.3)]


def test_it_is_what_was_added():
    history = History(EPOCHS[:1])
    for epoch in EPOCHS[1:]:
        history.append(epoch)
    assert list(history) == EPOCHS
    assert len(history) == 3
    assert history.newest == EPOCHS[-1]
    assert history.losses == [0.3, 0.2, 0.1]
    assert history.scores == [0.5, 0.6]
    assert history.validation_losses == [0.4, 0.3]
    assert not History()
    assert list(History()) == []
    assert History().newest is None


def test_what_is_added_to_one_is_not_added_to_another():
    history = History(EPOCHS[:2])
    one, other = history.copy(), history.copy()
    one.append(EPOCHS[2])
    other.append(EPOCHS[0])
    assert list(history) == EPOCHS[:2]
    assert list(one) == EPOCHS
    assert list(other) == [*EPOCHS[:2], EPOCHS[0]]


def test_a_copy_of_a_long_one_copies_no_epoch():
    history = History((float(i), None, None) for i in range(100_000))
    other = history.copy()
    other.append((0.0, None, None))
    assert other._epochs[1] is history._epochs


@pytest.mark.parametrize("through", [
    lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy,
])  # fmt: skip
def test_a_long_one_is_pickled_and_copied(through):
    history = History((float(i), None, None) for i in range(100_000))
    again = through(history)
    assert list(again) == list(history)


def test_a_net_shares_it_from_call_to_call(X, y):
    model = LSTMRegressor(3, random_state=0)
    model.partial_fit(X, y)
    before = model._history
    model.partial_fit(X, y)
    assert model._history._epochs[1] is before._epochs
    assert (len(before), len(model.loss_curve_)) == (1, 2)
    assert model.loss_curve_ is not model.loss_curve_
    assert model.loss_ == model.loss_curve_[-1]


def test_a_copy_of_a_net_shares_it(X, y):
    model = LSTMRegressor(3, max_iter=2, random_state=0).fit(X, y)
    again = copy.copy(model)
    assert again._history is model._history
    again.partial_fit(X, y)
    assert (len(model.loss_curve_), len(again.loss_curve_)) == (2, 3)


@pytest.mark.parametrize("history", [None, 5, [1, 2]])
def test_a_file_with_another_is_refused(X, y, history):
    state = LSTMRegressor(3, max_iter=2, random_state=0).fit(X, y).__getstate__()
    with pytest.raises(ValueError, match="not the state of a fitted net"):
        LSTMRegressor().__setstate__(state | {"_history": history})


def test_files_hold_a_list(X, y):
    model = LSTMRegressor(3, max_iter=2, random_state=0).fit(X, y)
    state = model.__getstate__()
    assert type(state["_history"]) is list
    again = pickle.loads(pickle.dumps(model))
    assert again.loss_curve_ == model.loss_curve_
    assert again.partial_fit(X, y).n_iter_ == 3


@pytest.mark.parametrize("name", ["loss_curve_", "validation_scores_", "validation_loss_curve_"])
def test_there_is_none_before_the_fit(name):
    with pytest.raises(AttributeError, match="LSTMRegressor instance is not fitted yet"):
        getattr(LSTMRegressor(), name)
