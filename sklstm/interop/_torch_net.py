"""The net as modules of PyTorch, which is imported with this file: `_torch.py` asks for it."""

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class StandardizingLSTM(nn.LSTM):
    """An `nn.LSTM` that standardises its features first.

    Parameters
    ----------
    mean : array of shape (n_features,)
        What is subtracted, in float64.
    scale : array of shape (n_features,)
        What multiplies then.
    *sizes, **options
        Of `nn.LSTM`.
    """

    def __init__(self, mean, scale, *sizes, **options):
        super().__init__(*sizes, **options)
        mean = torch.as_tensor(mean, dtype=torch.float64)
        high = mean.to(options["dtype"])
        # Two subtractions: one number of float32 would lose the digits of a large mean.
        self.register_buffer("mean_high", high)
        self.register_buffer("mean_low", (mean - high.double()).to(high.dtype))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=high.dtype))

    @property
    def scaling(self):
        """What is subtracted from features, and what multiplies them then, in float64."""
        return torch.stack([self.mean_high.double() + self.mean_low, self.scale.double()])

    def standardize(self, x):
        """The features as the LSTM reads them."""
        scaled = ((x - self.mean_high) - self.mean_low) * self.scale
        return scaled.to(self.weight_ih_l0.dtype)

    def forward(self, input, hx=None):
        """As `nn.LSTM`."""
        if isinstance(input, PackedSequence):
            return super().forward(input._replace(data=self.standardize(input.data)), hx)
        return super().forward(self.standardize(input), hx)


class LSTMNet(nn.Module):
    """A fitted estimator as a module.

    Parameters
    ----------
    lstm : nn.LSTM or nn.ModuleList of nn.LSTM
        All layers, or a list of them if they have not the same number of units.
    linear : nn.Linear
        What makes raw outputs of hidden states.
    net : Net
        What they mean.
    loss, quantile : str, and float or tuple of float; or None
        Of a regressor.

    Attributes
    ----------
    lstm, linear
        As given.
    classes : list or None
        The labels of a classifier, in the order of probabilities.
    """

    def __init__(self, lstm, linear, net, loss, quantile):
        super().__init__()
        self.lstm, self.linear = lstm, linear
        self.pooling, self.loss, self.quantile = net.pooling, loss, quantile
        self.classes = None if net.classes is None else net.classes.tolist()
        self._link, self._n_outputs = net.link, net.n_outputs
        self._n_directions = 2 if net.bidirectional else 1

    def forward(self, x, lengths=None, return_std=False):
        """What the estimator predicts.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_timesteps, n_features)
        lengths : Tensor or list of int, of shape (n_samples,), default=None
            The steps of each sequence, if there are others behind them; those are not read.
        return_std : bool, default=False
            Whether to return standard deviations too, which loss="gaussian" has.

        Returns
        -------
        y : Tensor
            What `predict` of a regressor returns; of a classifier, `predict_proba`.
        std : Tensor of the shape of y
            With `return_std`.
        """
        raw = self.raw(x, lengths)
        if return_std:
            if self._link != "normal":
                raise ValueError(
                    f"return_std=True wants a net that was fitted with loss='gaussian', got one of "
                    f"loss={self.loss!r}."
                )
            return self._of_outputs(raw[..., ::2]), self._of_outputs(raw[..., 1::2].exp())
        return self._predict(raw)

    def raw(self, x, lengths=None):
        """The raw outputs, for a loss to train with.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_timesteps, n_features)
        lengths : Tensor or list of int, of shape (n_samples,), default=None

        Returns
        -------
        raw : Tensor of shape (n_samples, n_raw)
            With pooling=None (n_samples, n_timesteps, n_raw), and NaN behind the steps of a
            sequence.
        """
        first = self.lstm if isinstance(self.lstm, nn.LSTM) else self.lstm[0]
        layers = [first] if first is self.lstm else list(self.lstm)
        if not isinstance(first, StandardizingLSTM):
            x = x.to(first.weight_ih_l0.dtype)
        n_steps, real = x.shape[1], None
        if lengths is not None:
            lengths = torch.as_tensor(lengths, dtype=torch.int64)
            real = torch.arange(n_steps) < lengths.cpu()[:, None]
            real = real[:, :, None].to(x.device)
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        for layer in layers:
            x, (last, _) = layer(x)
        if real is not None:
            x, _ = pad_packed_sequence(x, batch_first=True, total_length=n_steps)
        return self._head(x, last[-self._n_directions :], real)

    def _head(self, hidden, last, real):
        if self.pooling is None:
            raw = self.linear(hidden)
            return raw if real is None else raw.masked_fill(~real, torch.nan)
        if self.pooling == "last":
            pooled = last.transpose(0, 1).flatten(1)
        elif self.pooling == "mean":
            # What is behind a sequence is 0.
            pooled = hidden.mean(1) if real is None else hidden.sum(1) / real.sum(1)
        else:
            pooled = (hidden if real is None else hidden.masked_fill(~real, -torch.inf)).amax(1)
        return self.linear(pooled)

    def _predict(self, raw):
        if self._link == "logit":
            return torch.cat([-raw, raw], -1).sigmoid()
        if self._link == "softmax":
            return raw.softmax(-1)
        if self._link == "sorted":
            quantiles = raw.unflatten(-1, (self._n_outputs, -1)).sort(-1).values
            return quantiles.squeeze(-2) if self._n_outputs == 1 else quantiles
        if self._link == "normal":
            return self._of_outputs(raw[..., ::2])
        return self._of_outputs(raw.exp() if self._link == "exp" else raw)

    def _of_outputs(self, prediction):
        """Of a y of one column, the axis of columns is left out."""
        return prediction.squeeze(-1) if self._n_outputs == 1 else prediction
