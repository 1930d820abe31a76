"""PyTorch: eager nn.LSTM and the usual training loop, with the defaults of its Adam."""

import numpy as np
import torch

from benchmarks.machine import n_threads


class Net(torch.nn.Module):
    """LSTM layers, and a linear head on the last hidden state of each direction."""

    def __init__(self, inputs, units, bidirectional=False, dtype=torch.float32):
        super().__init__()
        assert len(set(units)) == 1, "nn.LSTM has layers of one size"
        self.directions = 1 + bidirectional
        self.lstm = torch.nn.LSTM(
            inputs, units[0], len(units), batch_first=True, bidirectional=bidirectional,
            dtype=dtype,
        )  # fmt: skip
        self.head = torch.nn.Linear(self.directions * units[0], 1, dtype=dtype)

    def forward(self, x):
        _, (hidden, _) = self.lstm(x)
        # (layers x directions, batch, units), the top layer's last
        last = hidden[-1] if self.directions == 1 else torch.cat([hidden[-2], hidden[-1]], 1)
        return self.head(last)[:, 0]


def train(net, optimizer, X, y, batch, epochs):
    """Shuffled minibatches, mean squared error, gradients clipped to a norm of 1 as for all."""
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(batch):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(net(X.index_select(0, rows)), y[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()


class CarriedState:
    """The net's own nn.LSTM, called with one step and the state that it returned the last time."""

    def __init__(self, net):
        self._net, self._state = net, None

    def __call__(self, x):
        with torch.inference_mode():
            _, self._state = self._net.lstm(torch.from_numpy(x).unsqueeze(1), self._state)
            return self._net.head(self._state[0][-1])[:, 0].numpy()


class CarriedCells:
    """An nn.LSTMCell a layer, which share the net's weights."""

    def __init__(self, net):
        self._head, self._cells, self._states = net.head, [], []
        for weights in net.lstm.all_weights:
            units, inputs = net.lstm.hidden_size, weights[0].shape[1]
            cell = torch.nn.LSTMCell(inputs, units, dtype=weights[0].dtype)
            cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh = weights
            self._cells.append(cell)
            self._states.append(None)

    def __call__(self, x):
        with torch.inference_mode():
            x = torch.from_numpy(x)
            for index, cell in enumerate(self._cells):
                self._states[index] = cell(x, self._states[index])
                x = self._states[index][0]
            return self._head(x)[:, 0].numpy()


class Contender:
    """A net with the weights given; tensors are made beforehand."""

    def __init__(self, workload, dtype=np.float32, weights=None):
        torch.set_num_threads(n_threads())
        self._batch = workload.batch
        self._X, self._y = map(torch.from_numpy, workload.data(dtype))
        self._net = Net(workload.inputs, workload.units, workload.bidirectional, self._X.dtype)
        if weights is not None:
            self._take(weights)
        self._optimizer = torch.optim.Adam(self._net.parameters())

    def _take(self, weights):
        layers = self._net.lstm.all_weights  # one list a layer and direction; gates as sklstm's
        for (W, U, b, other), *ours in zip(
            layers, weights.input, weights.recurrent, weights.biases, strict=True
        ):
            for theirs, own in zip((W, U, b), ours, strict=True):
                theirs.data.copy_(torch.from_numpy(np.array(own)))
            other.data.zero_()  # the second bias, which the first makes redundant
        self._net.head.weight.data.copy_(torch.from_numpy(np.array(weights.output)))
        self._net.head.bias.data.copy_(torch.from_numpy(np.array(weights.output_bias)))

    def train(self, epochs):
        """Go on training."""
        train(self._net, self._optimizer, self._X, self._y, self._batch, epochs)

    def predictors(self, X):
        """In inference mode, from a tensor that exists."""
        X = torch.from_numpy(X)

        def predict(size):
            with torch.inference_mode():
                parts = [self._net(part) for part in X.split(size)]
                return (parts[0] if len(parts) == 1 else torch.cat(parts)).numpy()

        return {
            f"batches of {size}": lambda size=size: predict(size)
            for size in sorted({min(256, len(X)), len(X)})
        }

    def steppers(self, n_series):
        """In inference mode, from arrays, with the state carried from call to call."""
        return {
            "nn.LSTM": CarriedState(self._net),
            "nn.LSTMCell": CarriedCells(self._net),
        }
