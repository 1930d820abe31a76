"""PyTorch on the tasks: net, initial weights and optimizer are those of sklstm."""

import time

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch.nn import functional, init
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from benchmarks.machine import n_threads


class Net(torch.nn.Module):
    """An LSTM layer, packed where lengths vary; a linear head on each direction's last state."""

    def __init__(self, inputs, units, outputs, bidirectional):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, units, batch_first=True, bidirectional=bidirectional)
        self.head = torch.nn.Linear((1 + bidirectional) * units, outputs)

    def initialise(self, forget_bias, longest):
        """Glorot uniform, orthogonal gate by gate, the forget gate's bias: drawn as sklstm does."""
        for W, U, bias, other in self.lstm.all_weights:  # gates in the order i, f, g, o
            for gate in W.chunk(4):
                init.xavier_uniform_(gate.data)
            for gate in U.chunk(4):
                init.orthogonal_(gate.data)
            i, f, _, _ = bias.data.zero_().chunk(4)
            if forget_bias == "chrono":
                f.uniform_(1, longest - 1).log_()
                i.copy_(-f)
            else:
                f.fill_(forget_bias)
            # PyTorch adds two biases. Trained both, they would move twice as fast as one.
            other.data.zero_()
            other.requires_grad_(False)
        init.xavier_uniform_(self.head.weight.data)
        self.head.bias.data.zero_()

    def forward(self, x, lengths):
        if lengths is not None:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (hidden, _) = self.lstm(x)
        return self.head(torch.cat(list(hidden), 1))


def check_same_net(model, task, settings):
    """Refuse to compare if this net, with the weights of a fitted model, answers otherwise.

    Raises
    ------
    AssertionError
    """
    answer = model.decision_function if task.classes else model.predict
    expected = answer(task.X_test).reshape(len(task.X_test), -1)
    X, lengths = _sequences(task.X_test)
    net = Net(X.shape[2], settings["hidden_layer_sizes"], expected.shape[1], model.bidirectional)
    ours = zip(model.input_weights_, model.recurrent_weights_, model.biases_, strict=True)
    for (W, U, bias, other), (ours_W, ours_U, ours_bias) in zip(
        net.lstm.all_weights, ours, strict=True
    ):
        other.data.zero_()
        _copy((W, ours_W), (U, ours_U), (bias, ours_bias))
    _copy((net.head.weight, model.output_weights_), (net.head.bias, model.output_bias_))
    with torch.inference_mode():
        np.testing.assert_allclose(net(X, lengths).numpy(), expected, 1e-4, 1e-4)


def _copy(*pairs):
    for theirs, ours in pairs:
        theirs.data.copy_(torch.from_numpy(np.array(ours)))


def fit_score(task, settings, epochs, seed):
    """Train from the start; returns the score on the held-out part and the seconds of training."""
    torch.set_num_threads(n_threads())
    torch.manual_seed(seed)
    X, lengths = _sequences(task.X)
    y, outputs, loss_of = _targets(task)
    start = time.perf_counter()
    net = Net(X.shape[2], settings["hidden_layer_sizes"], outputs, settings["bidirectional"])
    net.initialise(settings["forget_bias"], X.shape[1])
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, settings["learning_rate_init"])
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(settings["batch_size"]):
            optimizer.zero_grad()
            raw = net(X.index_select(0, rows), None if lengths is None else lengths[rows])
            loss_of(raw, y[rows]).backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    return _score(net, task), seconds


def _sequences(X):
    """Padded sequences and their lengths, None if all are as long."""
    if isinstance(X, list):
        lengths = torch.tensor([len(sequence) for sequence in X])
        return pad_sequence([torch.from_numpy(each) for each in X], batch_first=True), lengths
    return torch.from_numpy(np.ascontiguousarray(X)), None


def _targets(task):
    """What is learnt, the number of outputs and the loss, as sklstm's estimators have them."""
    if not task.classes:
        y = torch.from_numpy(task.y.reshape(len(task.y), -1))
        return (y - y.mean(0)) / y.std(0, correction=0), y.shape[1], _half_squared_error
    y = torch.from_numpy(np.unique(task.y, return_inverse=True)[1])
    if task.classes == 2:
        return y[:, None].float(), 1, functional.binary_cross_entropy_with_logits
    return y, task.classes, functional.cross_entropy


def _half_squared_error(raw, y):
    return functional.mse_loss(raw, y) / 2


def _score(net, task):
    """Accuracy, or R2, as sklstm's estimators score."""
    with torch.inference_mode():
        raw = net(*_sequences(task.X_test)).numpy()
    if task.classes:
        answers = (raw[:, 0] > 0).astype(int) if task.classes == 2 else raw.argmax(axis=1)
        return float(np.mean(np.unique(task.y)[answers] == task.y_test))
    y = task.y.reshape(len(task.y), -1)
    truth = task.y_test.reshape(len(task.y_test), -1)
    return r2_score(truth, raw * y.std(axis=0) + y.mean(axis=0))
