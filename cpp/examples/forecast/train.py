"""Trains a model to predict the next step of a series: `python train.py series.csv MODEL`.

A line of the file is a step, its columns the features. Without a file, `-`, the series is a sum of
two sines.
"""

import argparse
from pathlib import Path

import numpy as np
import peephole

WINDOW = 50  # steps of a training sequence


def main():
    """Reads the series, trains, saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("series", help="CSV file, or -")
    parser.add_argument("model", type=Path)
    parser.add_argument("--hidden", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    series = sines() if arguments.series == "-" else np.loadtxt(arguments.series, delimiter=",")
    series = series.reshape(len(series), -1).astype(np.float32)

    windows = np.lib.stride_tricks.sliding_window_view(series, WINDOW + 1, axis=0)[::5]
    windows = windows.transpose(0, 2, 1)
    features = series.shape[1]
    net = peephole.Network(features, arguments.hidden, features, seed=0)
    net.fit(
        windows[:, :-1],
        windows[:, 1:],
        epochs=arguments.epochs,
        learning_rate=5e-3,
        seed=0,
        progress=False,
    )
    print(f"R² of the next step {net.score(windows[:, :-1], windows[:, 1:]):.4f}")
    net.save(arguments.model)


def sines():
    """(2000,): a sum of two sines."""
    t = np.arange(2000)
    return np.sin(0.2 * t) + 0.5 * np.sin(0.057 * t)


if __name__ == "__main__":
    main()
