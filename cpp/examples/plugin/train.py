"""Trains a model of an overdrive with a knob: `python train.py MODEL`.

The model has two inputs, the sound and the position of the knob, 0 to 1, and learns

    y = tanh(d x) / d^(1/2),    d = 1 + 9 knob

followed by a low-pass filter at 5 kHz. Printed is the residual error, the energy of the difference
over that of the sound, on sounds and positions that it has not heard.
"""

import argparse
from pathlib import Path

import numpy as np
import peephole

RATE = 48_000
WINDOW = 256  # samples of a training sequence


def overdrive(x, knob):
    """(m, n) of (m, n) and (m, n): the sound that comes out."""
    drive = 1 + 9 * knob
    stage = np.tanh(drive * x) / np.sqrt(drive)
    y, speaker = np.empty_like(x), 0.0
    for n in range(x.shape[1]):
        speaker = speaker + 0.48 * (stage[:, n] - speaker)
        y[:, n] = speaker
    return y


def examples(m, seed):
    """(m, WINDOW, 2) sounds and knobs, and (m, WINDOW, 1) what comes out."""
    rng = np.random.default_rng(seed)
    t = np.arange(WINDOW) / RATE
    x = np.zeros((m, WINDOW))
    for _ in range(4):
        frequency, phase = rng.uniform(60, 3000, (m, 1)), rng.uniform(0, 2 * np.pi, (m, 1))
        x += rng.uniform(0, 0.3, (m, 1)) * np.sin(2 * np.pi * frequency * t + phase)
    knob = np.clip(rng.uniform(0, 1, (m, 1)) + rng.normal(0, 5, (m, 1)) * t, 0, 1)
    inputs = np.stack([x, knob], axis=-1).astype(np.float32)
    return inputs, overdrive(x, knob)[..., None].astype(np.float32)


def main():
    """Trains, says how well it sounds, saves."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--hidden", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--examples", type=int, default=1000)
    arguments = parser.parse_args()

    net = peephole.Network(2, arguments.hidden, 1, seed=0)
    x, y = examples(arguments.examples, seed=0)
    options = {"batch_size": 32, "learning_rate": 5e-3, "clip_norm": 1.0}
    net.fit(x, y, epochs=arguments.epochs, loss="mse", seed=0, progress=False, **options)
    x, y = examples(100, seed=1)
    error = np.sum((net.predict(x) - y) ** 2) / np.sum(y**2)
    print(f"residual error {100 * error:.2f} % of the energy ({10 * np.log10(error):.1f} dB)")
    net.save(arguments.model)


if __name__ == "__main__":
    main()
