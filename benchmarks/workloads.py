"""What is trained and predicted: the shapes, and data of these shapes."""

from dataclasses import dataclass

import numpy as np

KEY = "samples, steps, inputs, units, batch"


@dataclass(frozen=True)
class Workload:
    """A net and the size of its data."""

    samples: int
    steps: int
    inputs: int
    units: tuple[int, ...]
    batch: int
    bidirectional: bool = False
    epochs: int = 1  # of one timed fit: as many as make what surrounds them small

    @property
    def label(self):
        """The numbers that `KEY` names."""
        return f"{self.samples}, {self.steps}, {self.inputs}, {self.layers}, {self.batch}"

    @property
    def layers(self):
        """Their number, if it is not 1, and units."""
        count = f"{len(self.units)} x " if len(self.units) > 1 else ""
        both = " bidirectional" if self.bidirectional else ""
        return f"{count}{self.units[0]}{both}"

    @property
    def directions(self):
        """1 or 2."""
        return 1 + self.bidirectional

    def data(self, dtype=np.float32):
        """Sequences (samples, steps, inputs), and a target for each."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.samples, self.steps, self.inputs))
        y = X[:, -1].mean(axis=1) + 0.1 * rng.standard_normal(self.samples)
        return X.astype(dtype), y.astype(dtype)


WORKLOADS = [
    Workload(4, 5, 1, (64,), 1, epochs=100),
    Workload(2048, 24, 1, (64,), 32, epochs=10),
    Workload(2048, 24, 7, (100,), 200, epochs=10),
    Workload(2048, 50, 8, (128,), 64, epochs=4),
    Workload(1024, 100, 16, (256,), 128, epochs=4),
    Workload(1024, 100, 16, (256, 256), 128, epochs=2),
    Workload(1024, 50, 8, (128,), 64, bidirectional=True, epochs=6),
]
TWO_LAYERS = WORKLOADS[5]
# A forecaster's everyday shape; its epochs are for a model that is fitted only to predict.
SINGLE_ROW = Workload(256, 24, 1, (64,), 32)
# Nets that read streams, each with the number of series side by side; the first is everyday's.
STREAMS = [
    (Workload(256, 50, 1, (64,), 32), 1),
    (Workload(256, 50, 1, (8,), 32), 1),
    (Workload(256, 50, 1, (256,), 32), 1),
    (Workload(256, 50, 1, (64, 64), 32), 1),
    (Workload(256, 50, 16, (64,), 32), 1),
    (Workload(256, 50, 1, (64,), 32), 100),
]
