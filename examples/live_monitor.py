"""Watch pumps live: a row of sensors at each step, and an alarm when a bearing begins to wear.

Work warms a pump up, with a delay, so that no limit on its temperature can tell wear from work. A
classifier learns from recordings of 50 to 400 steps, of load, temperature and vibration, whether
the bearing was worn at the end. A StreamingPredictor gives its probability after every row of new
pumps, for as long as they run. What 100 sound pumps reach at most decides how high an alarm is set.

    pip install ".[examples]"
    python examples/live_monitor.py
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from sklstm import LSTMClassifier, StreamingPredictor

PUMPS, STEPS, NEVER = 100, 3000, 10**9


def main():
    """Learn, set the alarms, watch, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="default: in a temporary folder")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)

    lengths = rng.integers(50, 401, 3000)
    starts = np.where(rng.random(3000) < 0.5, rng.integers(-300, 400, 3000), NEVER)
    X = [pump[:length] for pump, length in zip(run(rng, starts, 400), lengths, strict=True)]
    settings = {"learning_rate": "cosine", "learning_rate_init": 0.003, "max_iter": 15}
    model = LSTMClassifier(16, **settings, random_state=options.seed).fit(X, starts < lengths)

    sound = run(rng, np.full(PUMPS, NEVER), STEPS)
    together = StreamingPredictor(model, n_series=PUMPS)
    limit = max(together.predict_proba(x)[:, 1].max() for x in sound.swapaxes(0, 1))
    starts = rng.integers(1000, 2000, PUMPS)
    pumps, stream = run(rng, starts, STEPS), StreamingPredictor(model)
    probabilities, times = np.swapaxes([watch(stream, pump) for pump in pumps], 0, 1)

    print(f"{PUMPS} pumps of {STEPS} steps, each of which begins to wear:")
    report("temperature", pumps[:, :, 1] > sound[:, :, 1].max(), starts)
    report("LSTM", probabilities > limit, starts)
    median, high = np.quantile(times, [0.5, 0.99])
    print(f"A step takes {median:.1f} µs (median), {high:.1f} µs (99th percentile).")
    draw(pumps[0, :, 1], starts[0], probabilities[0], limit, times.ravel(), options.picture)


def run(rng, starts, steps):
    """Load, temperature, vibration (pumps, steps, 3) of bearings that wear more and more."""
    load, temperature = rng.uniform(0.2, 1, len(starts)), 50.0
    sensors = np.empty((len(starts), steps, 3), np.float32)
    for step in range(steps):
        load = np.where(rng.random(len(load)) < 0.01, rng.uniform(0.2, 1, len(load)), load)
        friction = load * (1 + 0.3 * np.clip((step - starts) / 600, 0, 1))
        temperature += (20 + 50 * friction - temperature) / 100
        sensors[:, step] = np.transpose([load, temperature, friction])
    return sensors + rng.normal(0, (0.02, 1, 0.15), sensors.shape).astype(np.float32)


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


def draw(temperature, start, probabilities, limit, times, picture):
    """Save a stream with its alarm, and the histogram of times, if matplotlib is there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplot_mosaic("AAC;BBC", figsize=(8, 4), layout="constrained")
    alarm = np.argmax(probabilities > limit)
    axes["A"].plot(temperature, color="#D55E00", linewidth=0.7)
    axes["B"].plot(probabilities, color="#0072B2", linewidth=0.7)
    axes["B"].axhline(limit, color="0.4", linestyle="--", linewidth=1)
    for name in "AB":
        axes[name].axvline(start, color="black", linewidth=1)
        axes[name].axvline(alarm, color="#A04080", linewidth=2)
    axes["A"].text(start - 30, 82, "wear begins", ha="right", va="top")
    axes["A"].text(alarm + 30, 82, f"alarm, {alarm - start} steps later", va="top", color="#A04080")
    axes["A"].set(title="The first pump", ylabel="temperature, °C", ylim=(30, 84), xticks=[])
    axes["B"].set(xlabel="step", ylabel="probability of wear", ylim=(0, 1.05))
    axes["C"].hist(times, np.geomspace(times.min(), times.max(), 60), color="#009E73")
    axes["C"].set(title="Time of a step", xlabel="µs", ylabel="steps", xscale="log", yscale="log")
    axes["C"].xaxis.set_major_formatter("{x:g}")
    picture = picture or Path(tempfile.mkdtemp()) / "live_monitor.png"
    figure.savefig(picture, dpi=120)
    print("Picture:", picture)


if __name__ == "__main__":
    main()
