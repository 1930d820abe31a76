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
