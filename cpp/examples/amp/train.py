"""Trains a model of a valve amplifier: `python train.py MODEL [--input IN.wav]`.

The amplifier is made up: a coupling capacitor (high-pass), a stage that saturates unevenly around a
bias which the signal itself shifts (the memory that makes it hard), and a speaker (low-pass). The
model hears plucked strings and learns to sound the same. Printed is the residual error, the energy
of the difference over that of the sound, on strings it has not heard: 0.65 % (-21.9 dB) by default.
"""

import argparse
import wave
from pathlib import Path

import numpy as np
import peephole

RATE = 44_100
WINDOW = 512  # samples of a training sequence; the loss leaves out the first ones
WARM_UP = 128


def amplifier(x):
    """(n,) of (n,): the sound that comes out."""
    y, before, charge, bias, speaker = np.empty_like(x), 0.0, 0.0, 0.0, 0.0
    for n, sample in enumerate(x):
        charge = 0.995 * (charge + sample - before)  # high-pass, 35 Hz
        before = sample
        bias += 0.002 * (abs(charge) - bias)  # follows the loudness within 11 ms
        driven = 4 * charge - 1.5 * bias + 0.2
        stage = np.tanh(driven) if driven > 0 else 0.8 * np.tanh(driven / 0.8)
        speaker += 0.5 * (stage - np.tanh(0.2) - speaker)  # low-pass, 5 kHz
        y[n] = 0.5 * speaker
    return y


def strings(seconds, seed):
    """(n,): plucked strings (Karplus & Strong, 1983), one every quarter of a second."""
    rng = np.random.default_rng(seed)
    x = np.zeros(int(seconds * RATE))
    for start in range(0, len(x), RATE // 4):
        period = int(RATE / rng.uniform(80, 400))
        loop, left = rng.uniform(-1, 1, period), len(x) - start
        rounds = [loop]
        while len(rounds) * period < left:
            loop = 0.498 * (loop + np.roll(loop, 1))
            rounds.append(loop)
        x[start:] += rng.uniform(0.1, 0.5) * np.concatenate(rounds)[:left]
    return np.clip(x, -1, 1)


def windows(x):
    """(m, WINDOW, 1) of (n,)."""
    return x[: len(x) // WINDOW * WINDOW].reshape(-1, WINDOW, 1).astype(np.float32)


def train(net, x, y, epochs):
    """Adam on the squared error, over its mean energy, of all steps but the first."""
    rng = np.random.default_rng(0)
    adam = peephole.optim.Adam(net.parameters, learning_rate=5e-3)
    energy = np.mean(y[:, WARM_UP:] ** 2)
    for epoch in range(epochs):
        adam.learning_rate = 5e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for rows in np.array_split(rng.permutation(len(x)), max(1, len(x) // 32)):
            out, _, tape = net.forward(x[rows])
            dy = out - y[rows]
            dy[:, :WARM_UP] = 0
            dy *= 2 / (dy[:, WARM_UP:].size * energy)
            gradients = net.backward(tape, dy).parameters
            peephole.optim.clip_norm(gradients, 1.0)
            adam.step(gradients)


def residual(net, seconds):
    """Energy of the difference over that of the sound, and the sound that went in."""
    x = strings(seconds, seed=1)
    y = amplifier(x)
    heard = net.predict(x[:, None].astype(np.float32))[:, 0]
    return np.sum((heard - y) ** 2) / np.sum(y**2), x


def write(path, x):
    """(n,) as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes())


def main():
    """Trains, says how well it sounds, saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", type=Path, help="also write the unheard strings here")
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0, help="of sound to learn from")
    arguments = parser.parse_args()

    x = strings(arguments.seconds, seed=0)
    net = peephole.Network(1, arguments.hidden, 1, seed=0)
    train(net, windows(x), windows(amplifier(x)), arguments.epochs)
    error, unheard = residual(net, min(arguments.seconds, 4.0))
    print(f"residual error {100 * error:.2f} % of the energy ({10 * np.log10(error):.1f} dB)")
    net.save(arguments.model)
    if arguments.input:
        write(arguments.input, unheard)


if __name__ == "__main__":
    main()
