"""The variants of K. Greff et al., each without one part of the LSTM, compared with all parts.

K. Greff, R. K. Srivastava, J. Koutník, B. R. Steunebrink, J. Schmidhuber, "LSTM: a search space
odyssey", IEEE TNNLS 28 (2017) 2222-2232. As in the paper, each variant has options of its own, and
is compared with the vanilla LSTM by Welch's t test at level 0.05, Bonferroni-corrected.

What differs: two small tasks (`variants_data`) instead of three large ones; small networks, trained
by Adam for a fixed number of epochs; only the learning rate is chosen for each variant, the best of
four in validation, and ten other seeds are tested with it. The paper made 200 trials with random
options for each variant and task, and compared the tenth of them that was best in validation. The
variant FGR, full gate recurrence, is left out: no option of `peephole.LSTM` feeds gates to gates.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import peephole
from scipy import stats

from bench.tables import markdown, significant
from bench.tasks import variants_data as data

OF_GERS = {"peephole_gates": "ifo", "output_peephole": "current"}
VARIANTS = {
    "vanilla": OF_GERS,
    "NIG": OF_GERS | {"activations": {"i": "one"}},  # no input gate
    "NFG": OF_GERS | {"activations": {"f": "one"}},  # no forget gate
    "NOG": OF_GERS | {"activations": {"o": "one"}},  # no output gate
    "NIAF": OF_GERS | {"activations": {"g": "identity"}},  # no input activation function
    "NOAF": OF_GERS | {"activations": {"c": "identity"}},  # no output activation function
    "CIFG": OF_GERS | {"coupled_input_forget": True},  # coupled input and forget gate
    "NP": {"peephole": "none"},  # no peepholes
}
LEARNING_RATES = (1e-2, 2e-2, 4e-2, 8e-2)
TUNING_SEEDS = range(100, 105)  # with two, the choice was mostly chance
SEEDS = range(10)
BATCH = 8
LEVEL = 0.05
CRITICAL = {"NFG"}  # without a forget gate: of all variants the worst, in the paper too


@dataclass(frozen=True)
class Task:
    """Data, the network but for its variant, the error, and the paper's result for its kind."""

    name: str
    parts: Callable  # () -> training, validation, test
    units: int
    outputs: int
    epochs: int
    options: dict
    loss: str
    error: Callable  # (predictions, targets of all steps) -> float
    worse: frozenset  # the variants that were significantly worse in the paper


def percent_wrong(y_pred, y_true):
    """Labels that are not the most probable one, in percent."""
    return 100 * float(np.mean(y_pred.argmax(axis=1) != y_true))


def nats(y_pred, y_true):
    """The negative log-likelihood of a step's pitches, the mean over steps."""
    y_pred = np.clip(y_pred.astype(np.float64), 1e-7, 1 - 1e-7)
    likelihood = np.where(y_true > 0.5, y_pred, 1 - y_pred)
    return float(-np.log(likelihood).sum(axis=1).mean())


TASKS = (
    Task(
        name="Speech: frames given to the wrong speaker, percent",
        parts=data.speech,
        units=16,
        outputs=9,
        epochs=15,
        options={"head": "softmax", "bidirectional": True},
        loss="cross_entropy",
        error=percent_wrong,
        worse=frozenset({"NIG", "NFG", "NOG", "NIAF", "NOAF"}),  # on TIMIT
    ),
    Task(
        name="Music: negative log-likelihood of the next quarter note, nats",
        parts=data.music,
        units=32,
        outputs=data.HIGHEST - data.LOWEST + 1,
        epochs=15,
        options={"head": "sigmoid"},
        loss="binary_cross_entropy",
        error=nats,
        worse=frozenset({"NFG", "NOAF"}),  # on JSB Chorales
    ),
)


def error(task, variant, learning_rate, seed, train, test):
    """The error in `test` of a network trained on `train`."""
    net = peephole.Network(
        train.x[0].shape[1],
        task.units,
        task.outputs,
        seed=seed,
        **task.options,
        **VARIANTS[variant],
    )
    net.fit(
        train.x,
        train.y,
        epochs=task.epochs,
        batch_size=BATCH,
        learning_rate=learning_rate,
        loss=task.loss,
        schedule=peephole.schedules.Cosine(),
        bucketing=True,
        seed=seed,
        progress=False,
    )
    return task.error(np.concatenate(net.predict(test.x)), np.concatenate(test.y))


def errors(task, variant, parts):
    """The learning rate that is best in validation, and the test error with it of each seed."""
    train, validation, test = parts

    def in_validation(learning_rate):
        tried = [error(task, variant, learning_rate, s, train, validation) for s in TUNING_SEEDS]
        return np.mean(tried)

    rate = min(LEARNING_RATES, key=in_validation)
    return rate, np.array([error(task, variant, rate, seed, train, test) for seed in SEEDS])


@dataclass(frozen=True)
class Comparison:
    """A variant's errors less those of the vanilla LSTM."""

    difference: float
    low: float  # of an interval that holds it with confidence 1 - level
    high: float
    p: float
    level: float

    @property
    def verdict(self):
        """Whether the variant is "worse" or "better" at the level, or neither."""
        if self.p >= self.level:
            return "no difference"
        return "worse" if self.difference > 0 else "better"


def compare(ours, vanilla, level):
    """Welch's t test of two samples of errors."""
    test = stats.ttest_ind(ours, vanilla, equal_var=False)
    interval = test.confidence_interval(1 - level)
    return Comparison(
        float(np.mean(ours) - np.mean(vanilla)),
        float(interval.low),
        float(interval.high),
        float(test.pvalue),
        level,
    )


def mean_interval(values):
    """For example "5.21 ± 0.34": the mean, and half of its 95 % t interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.2f} ± {half:.2f}"


def table(found, worse):
    """The table of {variant: (learning rate, errors)}, and the variants unlike the paper's."""
    vanilla = found["vanilla"][1]
    level = LEVEL / (len(found) - 1)  # Bonferroni
    rows, unlike = [], []
    for variant, (rate, values) in found.items():
        row = [variant, significant(rate), mean_interval(values)]
        if variant == "vanilla":
            rows.append([*row, "", "", "", ""])
            continue
        one = compare(values, vanilla, level)
        in_paper = "worse" if variant in worse else "no difference"
        if (one.verdict == "worse") != (in_paper == "worse"):
            unlike.append(variant)
        interval = f"{one.difference:+.2f} ({one.low:+.2f} to {one.high:+.2f})"
        p = "< 0.0001" if one.p < 1e-4 else f"{one.p:.4f}"
        rows.append([*row, interval, p, one.verdict, in_paper])
    head = [
        "variant",
        "rate",
        "error ± 95 %",
        f"less vanilla ({1 - level:.1%} interval)",
        "p",
        "here",
        "in the paper",
    ]
    return markdown(head, rows), unlike


def main():
    """Prints a table for each task; returns whether the critical parts are critical in both."""
    met = True
    for task in TASKS:
        begin = time.perf_counter()
        parts = task.parts()
        found = {variant: errors(task, variant, parts) for variant in VARIANTS}
        text, unlike = table(found, task.worse)
        print(f"{task.name}; seeds 0..{len(SEEDS) - 1}\n\n{text}\n")
        print(f"Unlike the paper: {', '.join(unlike) or 'none'}")
        print(f"{time.perf_counter() - begin:.0f} s\n", flush=True)
        met = met and not CRITICAL & set(unlike)
    return met


if __name__ == "__main__":
    raise SystemExit(not main())
