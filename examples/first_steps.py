"""The first LSTM that everyone meets: what comes after five numbers that rise by 0.1?

Four sequences teach it, [0.1 .. 0.5] -> 0.6 up to [0.4 .. 0.8] -> 0.9. Then it is asked what
follows [0.5 .. 0.9], a sequence that it has never seen.

A plain recurrent net rewrites its whole memory at every number it reads. An LSTM keeps its memory
in cells, and three gates, each a number between 0 (shut) and 1 (open) for every cell, guard them:

- the forget gate lets through what the cell already holds,
- the input gate lets a new candidate into the cell,
- the output gate lets the cell be seen by the rest of the net.

The cell is carried from step to step by an addition alone. With its forget gate open and its input
gate shut it holds what it has for as long as it takes, and while the net learns, the error finds
its way back just as far.

    pip install .
    python examples/first_steps.py
"""

import numpy as np
from scipy.special import expit as sigmoid

from sklstm import LSTMRegressor

X = np.array(
    [
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [0.2, 0.3, 0.4, 0.5, 0.6],
        [0.3, 0.4, 0.5, 0.6, 0.7],
        [0.4, 0.5, 0.6, 0.7, 0.8],
    ]
)
y = np.array([0.6, 0.7, 0.8, 0.9])
question = np.array([0.5, 0.6, 0.7, 0.8, 0.9])


def main():
    """Fit, predict, and look inside."""
    model = LSTMRegressor(
        hidden_layer_sizes=64,
        batch_size=1,
        max_iter=100,
        n_iter_no_change=np.inf,
        normalize_y=False,  # the targets have no scale or offset of their own
        random_state=0,
    )
    model.fit(X, y)

    prediction = model.predict([question])[0]
    print(f"After {', '.join(map(str, question))} comes {prediction:.3f}. The rule says 1.0.")
    print()
    print("On its way there, at each number that it reads, the net")
    print("  - keeps a part of its memory:      memory  = forget * memory")
    print("  - adds a part of what is new:      memory += input * candidate")
    print("  - shows a part of what it holds:   hidden  = output * tanh(memory)")
    print("The three parts are the gates. On average over the 64 cells:")
    print()
    print("  reads   forget   input   output   |memory|")
    for x, forget, input_, output, memory in read(model, question):
        print(f"  {x:5.1f}   {forget:6.2f}   {input_:5.2f}   {output:6.2f}   {memory:8.2f}")
    print()
    print("The forget gate stays well open, so each number is added to what the earlier ones left,")
    print("and the last hidden state knows them all. One linear layer turns it into the answer.")


def read(model, sequence):
    """Read a sequence with the fitted weights; yields what the gates do at each step."""
    W, U, b = model.input_weights_[0], model.recurrent_weights_[0], model.biases_[0]
    hidden = memory = np.zeros(64)
    for x in sequence:
        i, f, g, o = np.split(W @ [x] + U @ hidden + b, 4)
        forget, input_, output = sigmoid(f), sigmoid(i), sigmoid(o)
        memory = forget * memory + input_ * np.tanh(g)
        hidden = output * np.tanh(memory)
        yield x, forget.mean(), input_.mean(), output.mean(), np.abs(memory).mean()


if __name__ == "__main__":
    main()
