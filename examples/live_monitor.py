"""
A live monitor: a probability after each row that comes
=======================================================

Pumps are watched live: a row of sensors comes at each step, and there should be an alarm when a
bearing begins to wear. (The pumps are simulated.) Work warms a pump up, with a delay, so that a
limit on its temperature tells wear from work late, if at all.

To run it yourself::

    pip install ".[examples]"
    python examples/live_monitor.py
"""

# %%
# The pumps
# ---------
#
# Load, temperature and vibration of bearings that wear more and more from some step on.

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklstm import LSTMClassifier, StreamingPredictor

PUMPS, STEPS, NEVER = 100, 3000, 10**9

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--picture", type=Path, help="where to save the picture too")
options = parser.parse_args()
rng = np.random.default_rng(options.seed)


def run(starts, steps):
    """Load, temperature, vibration (pumps, steps, 3) of bearings that wear more and more."""
    load, temperature = rng.uniform(0.2, 1, len(starts)), 50.0
    sensors = np.empty((len(starts), steps, 3), np.float32)
    for step in range(steps):
        load = np.where(rng.random(len(load)) < 0.01, rng.uniform(0.2, 1, len(load)), load)
        friction = load * (1 + 0.3 * np.clip((step - starts) / 600, 0, 1))
        temperature += (20 + 50 * friction - temperature) / 100
        sensors[:, step] = np.transpose([load, temperature, friction])
    return sensors + rng.normal(0, (0.02, 1, 0.15), sensors.shape).astype(np.float32)


# %%
# Learn from recordings
# ---------------------
#
# A classifier learns from 3000 recordings of 50 to 400 steps whether the bearing was worn at the
# end.

lengths = rng.integers(50, 401, 3000)
starts = np.where(rng.random(3000) < 0.5, rng.integers(-300, 400, 3000), NEVER)
X = [pump[:length] for pump, length in zip(run(starts, 400), lengths, strict=True)]
model = LSTMClassifier(
    16, learning_rate="cosine", learning_rate_init=0.003, max_iter=15, random_state=options.seed
).fit(X, starts < lengths)

# %%
# How high the alarm is set
# -------------------------
#
# A `~sklstm.StreamingPredictor` gives the probability after every row, here of 100 sound pumps
# together. What they reach at most decides how high the alarm is set.

sound = run(np.full(PUMPS, NEVER), STEPS)
together = StreamingPredictor(model, n_series=PUMPS)
limit = max(together.predict_proba(x)[:, 1].max() for x in sound.swapaxes(0, 1))

# %%
# Watch new pumps
# ---------------
#
# One row after the other, for as long as they run. The net has read 400 steps at most when it
# learnt, and here goes on for 3000.


def watch(stream, pump):
    """The probability of wear after each step, and the microseconds that it took."""
    stream.reset()
    probabilities, times = np.empty((2, len(pump)))
    for step, row in enumerate(pump):
        started = time.perf_counter()
        probabilities[step] = stream.predict_proba(row[np.newaxis])[0, 1]
        times[step] = 1e6 * (time.perf_counter() - started)
    return probabilities, times


def report(name, alarms, starts):
    """Print how many first alarms came too early or never, and how late the others were."""
    delays = np.where(alarms.any(axis=1), alarms.argmax(axis=1), NEVER) - starts
    false, missed = np.sum(delays < 0), np.sum(delays > STEPS)
    late = f"{np.median(delays[delays >= 0]):4.0f} steps late (median)"
    print(f"{name:11}  {false} false alarms, {missed:2} pumps without, {late}")


starts = rng.integers(1000, 2000, PUMPS)
pumps, stream = run(starts, STEPS), StreamingPredictor(model)
probabilities, times = np.swapaxes([watch(stream, pump) for pump in pumps], 0, 1)

print(f"{PUMPS} pumps of {STEPS} steps, each of which begins to wear:")
report("temperature", pumps[:, :, 1] > sound[:, :, 1].max(), starts)
report("LSTM", probabilities > limit, starts)
median, high = np.quantile(times, [0.5, 0.99])
print(f"A step takes {median:.1f} µs (median), {high:.1f} µs (99th percentile).")

# %%
# The first pump, its temperature and the probability of wear; and the times of all steps, on the
# machine that built this page.

start, alarm = starts[0], np.argmax(probabilities[0] > limit)
figure, axes = plt.subplot_mosaic("AAC;BBC", figsize=(8, 4), layout="constrained")
axes["A"].plot(pumps[0, :, 1], color="#D55E00", linewidth=0.7)
axes["B"].plot(probabilities[0], color="#0072B2", linewidth=0.7)
axes["B"].axhline(limit, color="0.4", linestyle="--", linewidth=1)
for name in "AB":
    axes[name].axvline(start, color="black", linewidth=1)
    axes[name].axvline(alarm, color="#A04080", linewidth=2)
axes["A"].text(start - 30, 82, "wear begins", ha="right", va="top")
axes["A"].text(alarm + 30, 82, f"alarm, {alarm - start} steps later", va="top", color="#A04080")
axes["A"].set(title="The first pump", ylabel="temperature, °C", ylim=(30, 84), xticks=[])
axes["B"].set(xlabel="step", ylabel="probability of wear", ylim=(0, 1.05))
times = times.ravel()
axes["C"].hist(times, np.geomspace(times.min(), times.max(), 60), color="#009E73")
axes["C"].set(title="Time of a step", ylabel="steps", xscale="log", yscale="log")
# Three of its powers of ten have room.
shown = axes["C"].get_xlim()
axes["C"].set_xticks([10, 1000, 100_000], ["10 µs", "1 ms", "0.1 s"])
axes["C"].set_xlim(shown)
if options.picture:
    figure.savefig(options.picture, dpi=120)
plt.show()
