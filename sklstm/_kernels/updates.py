"""Passes over flat vectors: the sum of gradients, the penalty, clipping, the optimizers' steps."""

import numpy as np

from sklstm._machine.compile import entry, kernel, reduction
from sklstm._machine.memory import add, copy

# Numbers of a gradient that are added up at a time, so that their sum stays in the nearest cache.
SUM_BLOCK = 2048


@entry
def add_gradients(gradients, count, blocks, total):
    """Write the sum of the first gradients, in their order; the first is overwritten.

    Parameters
    ----------
    gradients : ndarray of shape (groups, size)
    count : int
        How many of them to add.
    blocks : int64 ndarray of shape (blocks, 7)
        Parts of a gradient: lines, numbers in each, their distance and start, and where they start
        in `total`, and their distance there; and the numbers of a line, with padding, of it and of
        the blocks that follow and share its lines: theirs are 0.
    total : ndarray of shape (n_weights,)
        The sum without padding, written.
    """
    add_piece(gradients, count, blocks, total, 0, 1)


@kernel
def add_piece(gradients, count, blocks, total, piece, pieces):
    """Write a piece of it, of so many: some lines of each block."""
    for block in range(blocks.shape[0]):
        lines, distance = blocks[block, 0], blocks[block, 2]
        first, beyond = lines * piece // pieces, lines * (piece + 1) // pieces
        start, target = blocks[block, 3], blocks[block, 4] + first * blocks[block, 5]
        if blocks[block, 6] > 0:
            end = start + (beyond - 1) * distance + blocks[block, 6]
            for at in range(start + first * distance, end, SUM_BLOCK):
                for n in range(1, count):
                    add(gradients[n], at, gradients[0], at, min(SUM_BLOCK, end - at))
        start += first * distance
        for _ in range(first, beyond):
            copy(gradients[0], start, total, target, blocks[block, 1])
            start += distance
            target += blocks[block, 5]


@reduction
def add_penalty(gradient, weights, penalty, scale):
    """Add the gradient of scale * sum(penalty * weights ** 2) / 2, and return this value."""
    value = 0.0
    for j in range(weights.size):
        slope = scale * penalty[j] * weights[j]
        gradient[j] += slope
        value += np.float64(slope * weights[j])
    return value / 2


@reduction
def clip(gradient, max_norm):
    """Scale the gradient down to a Euclidean norm of max_norm, if it is longer; writes it."""
    square = 0.0
    for j in range(gradient.size):
        square += np.float64(gradient[j]) * np.float64(gradient[j])
    norm = np.sqrt(square)
    if norm > max_norm:
        scale = gradient.dtype.type(max_norm / norm)
        for j in range(gradient.size):
            gradient[j] *= scale


@entry
def adam(weights, gradient, mean, square, step, learning_rate, beta_1, beta_2, epsilon):
    """Step number `step`, from 1, of Adam (Kingma & Ba 2015); writes weights, mean and square."""
    real = weights.dtype.type
    # A power of whole numbers takes as long to compile as all the rest.
    steps = np.float64(step)
    rate = real(learning_rate / (1 - beta_1**steps))
    root_correction = real(np.sqrt(1 - beta_2**steps))
    keep_1, keep_2, epsilon_ = real(beta_1), real(beta_2), real(epsilon)
    gain_1, gain_2 = real(1 - beta_1), real(1 - beta_2)
    for j in range(weights.size):
        mean[j] = keep_1 * mean[j] + gain_1 * gradient[j]
        square[j] = keep_2 * square[j] + gain_2 * gradient[j] * gradient[j]
        weights[j] -= rate * mean[j] / (np.sqrt(square[j]) / root_correction + epsilon_)


@entry
def sgd(weights, gradient, velocity, learning_rate, momentum, nesterov):
    """One step of gradient descent with momentum; writes weights and velocity."""
    real = weights.dtype.type
    rate, keep = real(learning_rate), real(momentum)
    for j in range(weights.size):
        velocity[j] = keep * velocity[j] + gradient[j]
        ahead = gradient[j] + keep * velocity[j] if nesterov else velocity[j]
        weights[j] -= rate * ahead


@entry
def rmsprop(weights, gradient, square, learning_rate, beta_2, epsilon):
    """One step of RMSprop; writes weights and square."""
    real = weights.dtype.type
    rate, keep, gain, epsilon_ = real(learning_rate), real(beta_2), real(1 - beta_2), real(epsilon)
    for j in range(weights.size):
        square[j] = keep * square[j] + gain * gradient[j] * gradient[j]
        weights[j] -= rate * gradient[j] / (np.sqrt(square[j]) + epsilon_)
