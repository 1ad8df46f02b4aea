"""Precise timing with peepholes and without, five seeds each, as a table.

The tasks are those of F. A. Gers, N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with
LSTM recurrent networks", JMLR 3 (2002) 115-143: MSD, measuring spike delays; GTS, generating timed
spikes; PFG, generating periodic functions. aⁿbⁿcⁿ (`counting`) is the first row. A network has
solved a task if in streams of 1,000 periods no error is above the paper's tolerance, 0.49 for
spikes and 0.3 for functions.

What differs from the paper: eight units instead of one, all with tanh, where the paper has the
identity; biases start uniform in ±2, and weights as in `peephole.LSTM`; gradients are exact,
through whole streams, where the paper cuts them at the gates; Adam instead of momentum; the streams
of training grow in three phases, where the paper's end at the first error; 2,000 steps of training
instead of up to 10⁷ streams; of the paper's periods F = 10 alone; for spikes the loss is the
cross-entropy, in GTS with weight 5 at the steps with a spike. For each seed two networks are
trained and the one with the least training loss is tested. Options were chosen with other seeds,
100 and up, and streams of their own.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import peephole

from bench.tables import markdown
from bench.tasks import counting
from bench.tasks import timing_data as data

UNITS = 8
SEEDS = range(5)
NETWORKS = 2  # a seed
PHASES = ((2, 500), (4, 500), (10, 1_000))  # periods of a stream, epochs
STREAMS = 8  # to train on, in one batch
LEARNING_RATE = 2e-2
FLOORS = (0.3, 0.3, 0.01)  # of the learning rate, at the end of each phase
TEST_PERIODS, TEST_STREAMS = 1_000, 10
COUNTING_STEPS = 4_000
BIASES = 2.0  # at the beginning uniform in ±2, so that units differ in how fast they are
SPIKE_WEIGHT = 5.0  # GTS: of the steps with a spike in the loss, about one in ten

NO_PEEPHOLES = "no peepholes"
PEEPHOLES = {
    NO_PEEPHOLES: {"peephole": "none"},
    "of Gers: i, f, o": {"peephole_gates": "ifo", "output_peephole": "current"},
    "all previous: i, f, g, o": {},
}


@dataclass(frozen=True)
class Task:
    """A kind of streams, and what an error is."""

    name: str
    streams: Callable  # (count, periods, random) -> x, y
    head: str = "sigmoid"
    loss: str = "binary_cross_entropy"
    tolerance: float = 0.49
    spike_weight: float = 1.0


def function(name, form):
    """The task of generating a periodic function."""
    return Task(f"PFG, {name}", data.wave(form), head="identity", loss="mse", tolerance=0.3)


TASKS = (
    Task("MSD, delays of 10 or 11", data.spike_delays),
    Task("GTS, every 10 steps", data.regular_spikes, spike_weight=SPIKE_WEIGHT),
    Task("GTS, after 10 or 11 steps", data.timed_spikes, spike_weight=SPIKE_WEIGHT),
    function("cosine", data.cosine),
    function("triangle", data.triangle),
    function("rectangle", data.rectangle),
)


def train(task, peepholes, seed, phases=PHASES):
    """A trained network, and its last loss."""
    random = np.random.default_rng(seed)
    net = peephole.Network(1, UNITS, 1, head=task.head, seed=seed, **peepholes)
    bias = net.parameters["bias_l0"]
    bias[...] = random.uniform(-BIASES, BIASES, bias.shape)
    for (periods, epochs), floor in zip(phases, FLOORS, strict=True):
        x, y = task.streams(STREAMS, periods, random)
        history = net.fit(
            x,
            y,
            epochs=epochs,
            batch_size=STREAMS,
            learning_rate=LEARNING_RATE,
            loss=task.loss,
            sample_weight=np.where(y[..., 0] == 1, task.spike_weight, 1),
            missing="skip",
            schedule=peephole.schedules.Cosine(floor=floor),
            seed=seed,
            progress=False,
        )
    return net, history.loss[-1]


def best(train_one, seed):
    """The network of a seed with the least training loss."""
    seeds = np.random.default_rng(seed).integers(2**32, size=NETWORKS)
    return min((train_one(int(each)) for each in seeds), key=lambda trained: trained[1])[0]


def steps_right(net, x, y, tolerance):
    """The steps before the first error, in the worst of the streams."""
    wrong = np.abs(net.predict(x) - y)[..., 0] > tolerance  # False where y is NaN
    return int(np.where(wrong.any(axis=1), wrong.argmax(axis=1), wrong.shape[1]).min())


def result(task, peepholes, seed):
    """How many steps of new streams the network of a seed is right."""
    net = best(lambda each: train(task, peepholes, each), seed)
    x, y = task.streams(TEST_STREAMS, TEST_PERIODS, np.random.default_rng([seed, 1]))
    return steps_right(net, x, y, task.tolerance)


def accepted(peepholes, seed):
    """The largest n up to which the network of a seed accepts aⁿbⁿcⁿ."""
    net = best(lambda each: counting.train(each, peepholes, steps=COUNTING_STEPS), seed)
    return counting.longest_accepted(net)


def cell(results, enough):
    """For example "4 of 5; 10,000 (37–10,000)": solved, the median, the range."""
    solved = sum(each >= enough for each in results)
    middle = round(statistics.median(results))
    return f"{solved} of {len(results)}; {middle:,} ({min(results):,}–{max(results):,})"


def measures():
    """The rows: name, function (peepholes, seed) -> how far a network gets, and what is enough."""
    yield f"aⁿbⁿcⁿ, n ≥ {counting.LONGEST_ASKED}", accepted, counting.LONGEST_ASKED
    for task in TASKS:
        yield (
            task.name,
            lambda peepholes, seed, task=task: result(task, peepholes, seed),
            TEST_PERIODS * data.PERIOD,
        )


def main():
    """Prints the table; returns whether some network with peepholes has solved each task."""
    begin = time.perf_counter()
    rows, met = [], True
    for name, measure, enough in measures():
        results = {
            form: [measure(peepholes, seed) for seed in SEEDS]
            for form, peepholes in PEEPHOLES.items()
        }
        rows.append([name, *(cell(each, enough) for each in results.values())])
        with_peepholes = [results[form] for form in PEEPHOLES if form != NO_PEEPHOLES]
        met = met and max(map(max, with_peepholes)) >= enough
    print(
        f"Precise timing, seeds 0..{len(SEEDS) - 1}: solved; median (range) of the steps before "
        f"the first error, of {TEST_PERIODS * data.PERIOD:,}, or of the n accepted\n"
    )
    print(markdown(["task", *PEEPHOLES], rows))
    print(f"\n{time.perf_counter() - begin:.0f} s", flush=True)
    return met


if __name__ == "__main__":
    raise SystemExit(not main())
