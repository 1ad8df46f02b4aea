"""Example data."""

from __future__ import annotations

from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from peephole._fork_gate import fork_gate

__all__ = ["JapaneseVowels", "japanese_vowels"]

_DESCRIPTION = """\
Japanese Vowels: nine male speakers say the vowels /ae/. An utterance is 7 to 29 frames of 12 LPC
cepstrum coefficients; the task is to tell the speaker. 270 utterances to train on, 30 of each
speaker, and 370 to test on, 24 to 88 of each.

M. Kudo, J. Toyama, M. Shimbo, "Multidimensional curve classification using passing-through
regions", Pattern Recognition Letters 20 (1999) 1103-1111, doi:10.1016/S0167-8655(99)00077-X.
UCI Machine Learning Repository, doi:10.24432/C5NS47. Licence: CC BY 4.0,
https://creativecommons.org/licenses/by/4.0/
"""

# The published values have at most six decimals: the file holds them exactly, as integers.
_UNITS = 1e6


class JapaneseVowels(NamedTuple):
    """Utterances (T_i, 12) of float64, and their speakers 0..8 (n,)."""

    train_x: list[NDArray[np.float64]]
    train_y: NDArray[np.int64]
    test_x: list[NDArray[np.float64]]
    test_y: NDArray[np.int64]
    description: str


def japanese_vowels() -> JapaneseVowels:
    """Real speech of nine speakers: 270 utterances to train on and 370 to test on.

    By M. Kudo, J. Toyama and M. Shimbo, under CC BY 4.0; `description` has the details.
    """
    with fork_gate:  # the first time, these import a reader of packages and a codec of archives
        packed = resources.files(__package__).joinpath("japanese_vowels.npz")
        with packed.open("rb") as file, np.load(file) as arrays:
            parts = {part: _unpack(arrays, part) for part in ("train", "test")}
    return JapaneseVowels(*parts["train"], *parts["test"], _DESCRIPTION)


def _unpack(
    arrays: np.lib.npyio.NpzFile, part: str
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    frames = arrays[f"{part}_frames"] / _UNITS  # (N, 12)
    ends = np.cumsum(arrays[f"{part}_lengths"])
    # Copies, so that one utterance does not keep all of them in memory.
    utterances = [np.array(frame) for frame in np.split(frames, ends[:-1])]
    return utterances, arrays[f"{part}_speakers"].astype(np.int64)
