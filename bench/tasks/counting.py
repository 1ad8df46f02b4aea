"""aⁿbⁿcⁿ: a context-sensitive language, learnt from n ≤ 10 and tested beyond.

The network reads a word symbol by symbol, after a start symbol, and predicts which symbols may
follow: more than one, while n is unknown. It accepts the word if at every step exactly the right
ones are above 1/2. The task, the size and the peepholes are those of F. A. Gers, J. Schmidhuber,
"LSTM recurrent networks learn simple context-free and context-sensitive languages", IEEE
Transactions on Neural Networks 12 (2001) 1333-1340; the optimiser is not. For each seed four
networks are trained and the one with the least training loss is tested. Options were chosen with
other seeds.
"""

import statistics
import time

import numpy as np
import peephole

UNITS = 3
LONGEST_TRAINED = 10
LONGEST_ASKED = 18
SEARCHED = 100  # the largest n that is tested
SEEDS = range(5)
START, A, B, C = range(4)  # as outputs: the word's end, a, b, c
PEEPHOLES = {"peephole_gates": "ifo", "output_peephole": "current"}  # the paper's
LEARNING_RATE = 3e-2
FLOOR = 0.003  # of the learning rate, at the end
STEPS = 8_000
NETWORKS = 4  # a seed


def word(n):
    """The word of n, (3n + 1, 4): one-hot symbols, and which may follow each."""
    read = np.repeat([START, A, B, C], [1, n, n, n])
    follows = np.zeros((len(read), 4), np.float32)
    follows[: n + 1, A] = 1
    follows[1 : n + 1, B] = 1  # any a may be the last
    follows[n + 1 : 2 * n, B] = 1
    follows[2 * n : 3 * n, C] = 1
    follows[3 * n, START] = 1
    return np.eye(4, dtype=np.float32)[read], follows


def train(seed, peepholes=PEEPHOLES, longest=LONGEST_TRAINED, steps=STEPS):
    """A network trained on the words up to n = `longest`, all in each step; its last loss."""
    net = peephole.Network(4, UNITS, 4, head="sigmoid", seed=seed, **peepholes)
    lengths = [3 * n + 1 for n in range(1, longest + 1)]
    x = np.zeros((longest, lengths[-1], 4), np.float32)
    y = np.zeros_like(x)
    for k, length in enumerate(lengths):
        x[k, :length], y[k, :length] = word(k + 1)
    history = net.fit(
        x,
        y,
        lengths=lengths,
        epochs=steps,
        batch_size=longest,
        learning_rate=LEARNING_RATE,
        loss="binary_cross_entropy",
        schedule=peephole.schedules.Cosine(floor=FLOOR),
        seed=seed,
        progress=False,
    )
    return net, history.loss[-1]


def best(seed):
    """The network of a seed with the least training loss."""
    seeds = np.random.default_rng(seed).integers(2**32, size=NETWORKS)
    return min((train(int(each)) for each in seeds), key=lambda trained: trained[1])[0]


def longest_accepted(net, searched=SEARCHED):
    """The largest n such that it and all smaller ones are accepted."""
    for n in range(1, searched + 1):
        x, y = word(n)
        if ((net.predict(x) > 0.5) != (y > 0.5)).any():
            return n - 1
    return searched


def main():
    """Prints the result; returns whether it reaches the mark."""
    begin = time.perf_counter()
    accepted = [longest_accepted(best(seed)) for seed in SEEDS]
    median = statistics.median(accepted)
    print(
        f"aⁿbⁿcⁿ, {UNITS} units, trained on n ≤ {LONGEST_TRAINED}: accepts every n up to {median} "
        f"(median of seeds 0..{len(accepted) - 1}: {', '.join(map(str, accepted))}; searched to "
        f"{SEARCHED}; mark {LONGEST_ASKED}); {time.perf_counter() - begin:.0f} s",
        flush=True,
    )
    return median >= LONGEST_ASKED


if __name__ == "__main__":
    raise SystemExit(not main())
