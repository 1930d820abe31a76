"""
The first LSTM, and its three gates at work
===========================================

What comes after five numbers that rise by 0.1? This is the first LSTM that everyone meets. Four
sequences teach it, from [0.1 .. 0.5] -> 0.6 to [0.4 .. 0.8] -> 0.9. Then it is asked what follows
[0.5 .. 0.9], a sequence that it has never seen. At the end we look inside.

To run it yourself::

    pip install ".[plot]"
    python examples/first_steps.py
"""

# %%
# Learn and predict
# -----------------
#
# A row of `X` is a sequence, a column a step. There is one target for each sequence.

import matplotlib.pyplot as plt
import numpy as np

from sklstm import LSTMRegressor
from sklstm.inspection import GateActivationsDisplay, gate_activations

X = np.array(
    [
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [0.2, 0.3, 0.4, 0.5, 0.6],
        [0.3, 0.4, 0.5, 0.6, 0.7],
        [0.4, 0.5, 0.6, 0.7, 0.8],
    ]
)
y = np.array([0.6, 0.7, 0.8, 0.9])
question = np.array([[0.5, 0.6, 0.7, 0.8, 0.9]])

model = LSTMRegressor(
    hidden_layer_sizes=64,
    batch_size=1,
    max_iter=100,
    n_iter_no_change=np.inf,
    normalize_y=False,  # the targets have no scale or offset of their own
    random_state=0,
)
model.fit(X, y)
print(f"After {', '.join(map(str, question[0]))} comes {model.predict(question)[0]:.3f}.")
print("The rule says 1.0.")

# %%
# What the gates do
# -----------------
#
# A plain recurrent net rewrites its whole memory at every number that it reads. An LSTM keeps its
# memory in cells. Three gates guard them, each a number between 0 (shut) and 1 (open) for every
# cell. At each number that it reads, the net
#
# - keeps a part of its memory: ``memory = forget * memory``
# - adds a part of what is new: ``memory += input * candidate``
# - shows a part of what it holds: ``hidden = output * tanh(memory)``
#
# From step to step, memory is carried by an addition alone. With its forget gate open and its input
# gate shut, a cell holds what it has for as long as it takes. While the net learns, the error finds
# its way back just as far.
#
# `~sklstm.inspection.gate_activations` reads the sequence and returns the gates and the memory of
# each cell at each step. Here are their means over the 64 cells:

(layer,) = gate_activations(model, question)
print("reads   forget   input   output   |memory|")
for step, x in enumerate(question[0]):
    forget, input_, output, memory = (
        np.abs(part[0, step]).mean()
        for part in (layer.forget, layer.input, layer.output, layer.cell)
    )
    print(f"{x:5.1f}   {forget:6.2f}   {input_:5.2f}   {output:6.2f}   {memory:8.2f}")

# %%
# The forget gate stays well open, so each number is added to what the earlier ones left. The last
# hidden state knows them all, and one linear layer turns it into the answer.
#
# A number to hold
# ----------------
#
# Four numbers ask little of the gates: they still stand near 0.73 and 0.5, where they started. Here
# is a task that needs all three. At each of 20 steps a number comes in, and beside it a mark, which
# is 1 at one step and 0 at all others. After the last step the net has to say the number that was
# marked. So it must write at the mark, keep what it wrote, and write nothing else.

rng = np.random.RandomState(0)
n_sequences, n_steps = 3500, 20
X = np.zeros((n_sequences, n_steps, 2))
X[:, :, 0] = rng.uniform(-1, 1, (n_sequences, n_steps))
marked = rng.randint(2, n_steps - 2, n_sequences)
X[np.arange(n_sequences), marked, 1] = 1
y = X[np.arange(n_sequences), marked, 0]

model = LSTMRegressor(
    4,
    forget_bias="chrono",  # cells start with memories as long as the sequences
    learning_rate="cosine",
    learning_rate_init=0.01,
    max_iter=60,
    random_state=0,
).fit(X[:3000], y[:3000])
print(f"R2 on 500 new sequences: {model.score(X[3000:], y[3000:]):.3f}")

# %%
# The three gates at work
# -----------------------
#
# A new sequence, whose mark is at step 8. Each row is one of the four cells, each column a step.
#
# - The input gates are shut (dark), and open at the mark.
# - The forget gates are open (light), so that cells keep what they hold. At the mark some of them
#   shut: what was held before is wiped out.
# - Below is what the cells hold: near nothing until the mark, and from then on the number.

(sample,) = np.flatnonzero((marked == 8) & (y > 0.6))[-1:]
print(f"The number that was marked is {y[sample]:.3f}.")
print(f"The net says {model.predict(X[sample : sample + 1])[0]:.3f}.")
GateActivationsDisplay.from_estimator(
    model, X, sample=sample, gates=["input", "forget", "output", "cell"]
)
plt.show()

# %%
# Nobody told the net when to open which gate: it has learnt it from the sums of small steps along
# the gradient. To see which numbers a prediction came from, see :ref:`the next example
# <sphx_glr_gallery_what_mattered.py>`.
