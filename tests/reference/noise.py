"""What dropout, recurrent dropout and zoneout draw, one unit at a time.

Random numbers are those of Philox4x32-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405), by the
key of a seed, at a counter of (unit // 4, step, sequence, place), where place tells the purpose,
the direction and the layer apart; a unit has word unit % 4 of the four.
"""

import numpy as np

DROPOUT, RECURRENT_DROPOUT, ZONEOUT_H, ZONEOUT_C = range(4)
WORD = 2**32


def philox(counter, key):
    """Four words of 32 bits, from four and two."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], WORD)
        high1, low1 = divmod(0xCD9E8D57 * c[2], WORD)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % WORD, (k[1] + 0xBB67AE85) % WORD]
    return c


class Noise:
    """What is drawn for a model of these options by a seed."""

    def __init__(self, options, seed):
        self.dropout = options.get("dropout", 0.0)
        self.recurrent_dropout = options.get("recurrent_dropout", 0.0)
        self.zoneout = options.get("zoneout", 0.0)
        self.key = (seed % WORD, seed // WORD)

    def chosen(self, probability, purpose, layer, direction, sequence, step, units):
        """(units,) bool."""
        place = purpose + 4 * direction + 8 * layer
        words = [
            philox((unit // 4, step, sequence, place), self.key)[unit % 4] for unit in range(units)
        ]
        return np.array([word < int(probability * WORD) for word in words], bool)

    def recurrent(self, layer, direction, sequence, units):
        """(units,) factors of h_{t-1}, at every step."""
        p = self.recurrent_dropout
        dropped = self.chosen(p, RECURRENT_DROPOUT, layer, direction, sequence, 0, units)
        return np.where(dropped, 0.0, 1 / (1 - p))

    def zone(self, layer, direction, sequence, step, before, after):
        """(h, c) after the step, from those before it and those that the equations give."""
        result = []
        for purpose, old, new in zip((ZONEOUT_H, ZONEOUT_C), before, after, strict=True):
            where = (layer, direction, sequence, step, new.shape[-1])
            result.append(np.where(self.chosen(self.zoneout, purpose, *where), old, new))
        return result

    def between(self, layer, y):
        """y (..., B, T, units) as what is above the layer is given it."""
        batch, time, units = y.shape[-3:]
        factors = np.empty((batch, time, units))
        for b in range(batch):
            for t in range(time):
                dropped = self.chosen(self.dropout, DROPOUT, layer, 0, b, t, units)
                factors[b, t] = np.where(dropped, 0.0, 1 / (1 - self.dropout))
        return y * factors


class Expected(Noise):
    """Inference: nothing is drawn, and zoneout mixes by its probability."""

    def __init__(self, options):
        super().__init__({"zoneout": options.get("zoneout", 0.0)}, seed=0)

    def zone(self, layer, direction, sequence, step, before, after):
        z = self.zoneout
        return [z * old + (1 - z) * new for old, new in zip(before, after, strict=True)]
