"""The data of the comparison of variants, its statistics, and its tables."""

import dataclasses
import zipfile

import numpy as np
import peephole
import pytest

pytest.importorskip("sklearn")  # scipy comes with it

from bench.tasks import chorales, variants
from bench.tasks import variants_data as data


def note(pitch, duration, *, before=""):
    step, octave = pitch[0], pitch[-1]
    alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(pitch[1:-1], "")
    return (
        f"<note>{before}<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration></note>"
    )


def rest(duration):
    return f"<note><rest/><duration>{duration}</duration></note>"


DIVISIONS = "<attributes><divisions>2</divisions></attributes>"
SOPRANO = [DIVISIONS + note("C5", 1) + note("D5", 1) + note("F#5", 4), note("Bb4", 2)]
ALTO = [DIVISIONS + note("C4", 4) + note("E4", 4, before="<chord/>") + rest(2), note("G4", 2)]
TENOR = [
    DIVISIONS + note("A3", 3) + note("B3", 3),
    "<backup><duration>2</duration></backup>"
    + note("F3", 2)
    + "<forward><duration>2</duration></forward>",
]
BASS = [
    DIVISIONS + rest(6) + note("C2", 2, before="<grace/>").replace("<duration>2</duration>", "")
]
BASS += [note("C3", 2)]
# At a quarter note in each: what began before it or with it, and has not ended.
EXPECTED = [{72, 60, 64, 57}, {78, 60, 64, 57}, {78, 59, 53}, {70, 67, 48}]


def write(path, parts):
    xml = "".join(
        "<part>" + "".join(f"<measure>{each}</measure>" for each in part) + "</part>"
        for part in parts
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xml", f"<score-partwise>{xml}</score-partwise>")
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>',
        )
    return path


def test_chorales(tmp_path):
    four = write(tmp_path / "four.mxl", [SOPRANO, ALTO, TENOR, BASS])
    three = write(tmp_path / "three.mxl", [SOPRANO, ALTO, TENOR])
    assert chorales.chorales([four, three]) == [EXPECTED]


def test_next_steps():
    part = data.next_steps([[{36, 81}, {40}, set()]])
    (x,), (y,) = part.x, part.y
    assert x.shape == y.shape == (2, 46)
    assert [np.flatnonzero(step).tolist() for step in x] == [[0, 45], [4]]
    assert [np.flatnonzero(step).tolist() for step in y] == [[4], []]


def test_streams_have_all_utterances(rng):
    utterances = [np.full((k + 1, 2), k, np.float32) for k in range(19)]
    speakers = np.arange(19) % 4
    part = data.streams(utterances, speakers, rng)
    frames = np.concatenate(part.x)[:, 0].astype(int)
    np.testing.assert_array_equal(np.concatenate(part.y), speakers[frames])
    assert np.bincount(frames).tolist() == [data.ORDERS * (k + 1) for k in range(19)]
    assert len(part.x) == data.ORDERS * 3  # 8, 8 and 3 utterances
    orders = {tuple(part.x[3 * k][:, 0]) for k in range(data.ORDERS)}
    assert len(orders) == data.ORDERS


def test_speech_parts_do_not_overlap():
    told = peephole.datasets.japanese_vowels()
    parts = data.speech()
    frames = [np.unique(np.concatenate(part.x), axis=0) for part in parts]
    held = sum(len(part.x) for part in parts[1:2])
    assert held == data.ORDERS * -(-9 * data.HELD_OUT // data.UTTERANCES)
    kept, validation, test = ({tuple(row) for row in part} for part in frames)
    assert len(kept) + len(validation) == len(np.unique(np.concatenate(told.train_x), axis=0))
    assert len(test) == len(np.unique(np.concatenate(told.test_x), axis=0))
    assert not kept & validation
    assert not kept & test
    again = data.speech()
    for one, other in zip(parts[0].x, again[0].x, strict=True):
        np.testing.assert_array_equal(one, other)


def test_music_parts_are_apart(monkeypatch):
    monkeypatch.setattr(data.chorales, "files", lambda: [None])
    scores = [[{36 + k}, {37 + k}] for k in range(20)]
    monkeypatch.setattr(data.chorales, "chorales", lambda paths: scores)
    parts = data.music()
    assert [len(part.x) for part in parts] == [12, 4, 4]
    lowest = [int(each.argmax()) for part in parts for each in part.x]
    assert sorted(lowest) == list(range(20))
    monkeypatch.setattr(data.chorales, "files", list)
    with pytest.raises(ModuleNotFoundError, match="pip install music21"):
        data.music()


def test_errors_of_predictions():
    y_pred = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    assert variants.percent_wrong(y_pred, np.array([0, 1, 1, 1])) == 25
    y_true = np.array([[1, 0], [0, 1]])
    expected = -(np.log(0.9) * 2 + np.log(0.6) * 2) / 2
    assert variants.nats(y_pred[:2], y_true) == pytest.approx(expected)


def test_variants_differ_from_vanilla_in_one_part():
    nets = {name: peephole.LSTM(2, 3, **options) for name, options in variants.VARIANTS.items()}
    vanilla = nets.pop("vanilla").options
    changed = {
        name: {key for key, value in net.options.items() if value != vanilla[key]}
        for name, net in nets.items()
    }
    assert changed.pop("NP") >= {"peephole"}
    assert changed.pop("CIFG") == {"coupled_input_forget"}
    assert set(map(tuple, changed.values())) == {("activations",)}
    for name, unit in {"NIG": "i", "NFG": "f", "NOG": "o", "NIAF": "g", "NOAF": "c"}.items():
        (used,), (usual,) = nets[name].options["activations"], vanilla["activations"]
        assert {key for key in usual if used[key] != usual[key]} == {unit}
        assert used[unit] == ("one" if name in {"NIG", "NFG", "NOG"} else "identity")


def test_comparison():
    vanilla = np.array([1.0, 1.1, 0.9, 1.0])
    one = variants.compare(vanilla + 1, vanilla, 0.01)
    # Welch with equal variances: t of 6 degrees of freedom at 0.995 is 3.707.
    half = 3.7074 * np.sqrt(2 * vanilla.var(ddof=1) / 4)
    assert one.difference == pytest.approx(1)
    assert (one.low, one.high) == pytest.approx((1 - half, 1 + half), rel=1e-4)
    assert one.verdict == "worse"
    assert variants.compare(vanilla - 1, vanilla, 0.01).verdict == "better"
    assert variants.compare(vanilla + 0.01, vanilla, 0.01).verdict == "no difference"


def test_table():
    spread = np.array([-0.1, 0.0, 0.1, 0.0])
    found = {
        "vanilla": (0.01, 5 + spread),
        "NFG": (0.03, 9 + spread),  # as in the paper
        "NOAF": (0.03, 5 + spread),  # worse in the paper
        "NP": (0.1, 6 + spread),  # not worse in the paper
        "CIFG": (0.1, 4 + spread),  # better is not worse
    }
    text, unlike = variants.table(found, {"NFG", "NOAF"})
    assert unlike == ["NOAF", "NP"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert "98.8% interval" in rows[0][3]  # four comparisons
    assert rows[2][:4] == ["vanilla", "0.01", "5.00 ± 0.13", ""]
    verdicts = {row[0]: row[-2:] for row in rows[3:]}
    assert verdicts == {
        "NFG": ["worse", "worse"],
        "NOAF": ["no difference", "worse"],
        "NP": ["worse", "no difference"],
        "CIFG": ["better", "no difference"],
    }
    assert rows[3][3].startswith("+4.00 (+3.")


def test_rate_is_chosen_in_validation(monkeypatch):
    calls = []

    def error(task, variant, rate, seed, train, test):
        calls.append((rate, seed, test))
        return {1e-2: 2.0, 2e-2: 3.0, 4e-2: 1.0, 8e-2: 3.0}[rate] + seed

    monkeypatch.setattr(variants, "error", error)
    rate, values = variants.errors(None, "NP", ("train", "validation", "test"))
    assert rate == 4e-2
    assert values.tolist() == [1.0 + seed for seed in variants.SEEDS]
    assert {(rate, seed) for rate, seed, test in calls if test == "test"} == {
        (4e-2, seed) for seed in variants.SEEDS
    }
    assert not {seed for _, seed, test in calls if test == "validation"} & set(variants.SEEDS)


@pytest.mark.parametrize("task", variants.TASKS, ids=["speech", "music"])
def test_trains(task, rng):
    task = dataclasses.replace(task, epochs=1)
    x = [rng.random((steps, 3)).astype(np.float32) for steps in (4, 6)]
    labels = task.loss == "cross_entropy"
    shape = () if labels else (task.outputs,)
    y = [rng.integers(0, 2, (len(each), *shape)) for each in x]
    part = data.Part(x, y if labels else [each.astype(np.float32) for each in y])
    errors = [variants.error(task, variant, 1e-2, 0, part, part) for variant in variants.VARIANTS]
    assert np.isfinite(errors).all()
    assert len(set(errors)) > 1


def test_main(monkeypatch, capsys):
    """Prints a table for each task; the mark is that the critical parts are critical in both."""
    spread = np.array([-0.1, 0.0, 0.1, 0.0])
    worse = {"speech": {"NFG", "NOAF"}, "music": {"NFG", "NOAF", "NP"}}
    tasks = [
        dataclasses.replace(task, name=name, parts=lambda: None)
        for task, name in zip(variants.TASKS, worse, strict=True)
    ]
    monkeypatch.setattr(variants, "TASKS", tasks)
    monkeypatch.setattr(
        variants,
        "errors",
        lambda task, variant, parts: (0.01, 5 + spread + (variant in worse[task.name])),
    )
    assert variants.main()
    speech, music = capsys.readouterr().out.split("music; seeds 0..9")
    assert speech.startswith("speech; seeds 0..9")
    assert "Unlike the paper: NIG, NOG, NIAF\n" in speech
    assert "Unlike the paper: NP\n" in music
    worse["music"].remove("NFG")
    assert not variants.main()
