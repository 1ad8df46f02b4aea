"""Every public callable refuses wrong values of each argument, and names the argument."""

import numpy as np
import peephole
import pytest
from peephole import losses, metrics, optim, schedules, training
from support.refusals import unchanged

X, Y = np.zeros((4, 5, 3)), np.zeros((4, 5, 2))
NET = peephole.Network(3, 4, 2, seed=0)
LSTM = NET.lstm
OPTIMISER = optim.Adam(NET.parameters)
GRADIENTS = {name: np.zeros(NET.parameters.shape(name)) for name in NET.parameters}

WRONG = {
    "None": None,
    "True": True,
    "text": "x",
    "surrogate": "\ud800",
    "bytes": b"x",
    "NaN": float("nan"),
    "inf": float("inf"),
    "-1": -1,
    "2**64": 2**64,
    "complex": 1j,
    "[]": [],
    "{}": {},
    "object": object(),
}
LARGE = "2**64"  # a float or a number of steps may be that large
FLAG = "True"


def fit(**arguments):
    return NET.fit(**{"x": X, "y": Y, "epochs": 1, "progress": False, **arguments})


def stream():
    return NET.stream()


def plain(function, **good):
    """Calls a function with one argument changed; the others are good."""
    return lambda name, value: function(**{**good, name: value})


# Callable, and for each of its arguments which of the wrong values are right for it.
OPTIONS = {
    "input_size": "",
    "hidden_size": "",
    "num_layers": "",
    "peephole": "",
    "peephole_gates": "",
    "output_peephole": "",
    "bias": FLAG,
    "activations": "None {}",
    "coupled_input_forget": FLAG,
    "bidirectional": FLAG,
    "dropout": "",
    "recurrent_dropout": "",
    "zoneout": "",
    "masks": "None {}",
    "dtype": "",
    "seed": "None",
    "recurrent_init": "",
}
PASS = {"x": "", "state": "None", "lengths": "None"}
RATES = {"learning_rate": LARGE, "weight_decay": LARGE}
CALLS = {
    "LSTM": (plain(peephole.LSTM, input_size=3, hidden_size=4), OPTIONS),
    "Network": (
        plain(peephole.Network, input_size=3, hidden_size=4, output_size=2),
        {**OPTIONS, "output_size": "", "head": "", "readout": ""},
    ),
    "Network.__call__": (plain(NET.__call__, x=X), {**PASS, "out": "None"}),
    "LSTM.__call__": (plain(LSTM.__call__, x=X), {**PASS, "out": "None"}),
    "predict": (
        plain(NET.predict, x=X),
        {
            "x": "[] {}",
            "state": "None",
            "return_state": FLAG,
            "lengths": "None",
            "batch_size": LARGE,
        },
    ),
    "score": (
        plain(NET.score, x=X, y=Y),
        {"x": "", "y": "", "lengths": "None", "batch_size": LARGE},
    ),
    "Network.forward": (plain(NET.forward, x=X), {**PASS, "seed": "None", "recompute": FLAG}),
    "LSTM.forward": (plain(LSTM.forward, x=X), {**PASS, "seed": "None", "recompute": FLAG}),
    "Network.backward": (
        lambda name, value: NET.backward(**{"tape": NET.forward(X)[2], "dy": Y, name: value}),
        {"tape": "", "dy": "", "dstate": "None", "inputs": FLAG},
    ),
    "LSTM.backward": (
        lambda name, value: LSTM.backward(
            **{"tape": LSTM.forward(X)[2], "dy": np.zeros((4, 5, 4)), name: value}
        ),
        {"tape": "", "dy": "", "dstate": "None", "inputs": FLAG},
    ),
    "stream": (plain(NET.stream), {"batch": ""}),
    "Stream": (plain(peephole.Stream, model=NET), {"model": "", "batch": ""}),
    "Stream.step": (
        lambda name, value: stream().step(**{"x": np.zeros(3), name: value}),
        {"x": "", "out": "None"},
    ),
    "Stream.process": (
        lambda name, value: stream().process(**{"x": np.zeros((5, 3)), name: value}),
        {"x": "", "out": "None"},
    ),
    "Stream.state": (lambda name, value: setattr(stream(), name, value), {"state": "None"}),
    "windows": (
        plain(peephole.windows, series=np.zeros(9), length=3),
        {"series": "", "length": "", "stride": LARGE},
    ),
    "set_num_threads": (plain(peephole.set_num_threads), {"num_threads": ""}),
    "set_isa": (plain(peephole.set_isa), {"name": ""}),
    "save": (plain(NET.save), {"path": "text bytes"}),
    "load": (plain(peephole.load), {"path": "text bytes"}),
    "Network.load": (plain(peephole.Network.load), {"path": "text bytes"}),
    "load_checkpoint": (
        plain(training.load_checkpoint, path="none"),
        {"path": "text bytes", "best": FLAG},
    ),
    "Adam": (
        plain(optim.Adam, parameters=NET.parameters),
        {"parameters": "", "betas": "", "epsilon": LARGE, **RATES},
    ),
    "SGD": (
        plain(optim.SGD, parameters=NET.parameters, momentum=0.9),
        {"parameters": "", "momentum": "", "nesterov": FLAG, **RATES},
    ),
    "RMSprop": (
        plain(optim.RMSprop, parameters=NET.parameters),
        {"parameters": "", "rho": "", "epsilon": LARGE, "momentum": "", "centred": FLAG, **RATES},
    ),
    "Optimiser.step": (plain(OPTIMISER.step), {"gradients": ""}),
    "Optimiser.set_state": (plain(OPTIMISER.set_state), {"state": ""}),
    "Optimiser.learning_rate": (
        lambda name, value: setattr(optim.Adam(NET.parameters), name, value),
        {"learning_rate": LARGE},
    ),
    "clip_norm": (
        plain(optim.clip_norm, gradients={"a": np.zeros(3)}, max_norm=1.0),
        {"gradients": "{}", "max_norm": "inf 2**64"},
    ),
    "clip_value": (
        plain(optim.clip_value, gradients={"a": np.zeros(3)}, max_value=1.0),
        {"gradients": "{}", "max_value": "inf 2**64"},
    ),
    "Cosine": (plain(schedules.Cosine), {"steps": "None 2**64", "floor": ""}),
    "Step": (plain(schedules.Step, every=3), {"every": LARGE, "factor": LARGE}),
    "OneCycle": (
        plain(schedules.OneCycle),
        {"steps": "None 2**64", "rise": "", "start": LARGE, "end": LARGE},
    ),
    "ReduceOnPlateau": (
        plain(schedules.ReduceOnPlateau),
        {"factor": "", "patience": LARGE, "threshold": "", "floor": ""},
    ),
    "WarmUp": (plain(schedules.WarmUp, steps=3), {"steps": LARGE, "then": "None"}),
    "EarlyStopping": (
        plain(training.EarlyStopping),
        {
            "patience": LARGE,
            "monitor": "text",
            "maximise": "None True",
            "min_delta": LARGE,
            "restore": FLAG,
        },
    ),
    "CrossEntropy": (
        plain(losses.CrossEntropy),
        {"class_weight": "None", "ignore_label": "None -1 2**64"},
    ),
    "Huber": (plain(losses.Huber), {"delta": LARGE}),
    "accuracy": (
        plain(metrics.accuracy, y_pred=np.zeros((3, 2)), y_true=np.zeros(3, int)),
        {"y_pred": "", "y_true": ""},
    ),
    "r2": (
        plain(metrics.r2, y_pred=np.zeros((3, 2)), y_true=np.zeros((3, 2))),
        {"y_pred": "", "y_true": ""},
    ),
    "gate_activities": (
        plain(peephole.inspection.gate_activities, model=NET, x=X[0]),
        {"model": "", "x": "", "layer": "-1", "reverse": ""},
    ),
    "plot.gates": (
        plain(peephole.plot.gates, model=NET, x=X[0]),
        {"model": "", "x": "", "units": "None", "layer": "-1", "reverse": ""},
    ),
    "plot.history": (plain(peephole.plot.history), {"history": ""}),
    "fit": (
        plain(fit),
        {
            "x": "",
            "y": "",
            "lengths": "None",
            "epochs": LARGE,
            "batch_size": "None 2**64",
            "learning_rate": LARGE,
            "clip_norm": "None 2**64",
            "clip_value": "None 2**64",
            "seed": "None",
            "progress": "None True",
            "loss": "None",
            "sample_weight": "None",
            "missing": "",
            "optimiser": "",
            "schedule": "None",
            "shuffle": "None True",
            "bucketing": FLAG,
            "tbptt": "None 2**64",
            "stateful": FLAG,
            "recompute": FLAG,
            "validation_data": "None",
            "validation_share": "None",
            "validation_shuffle": "None True",
            "metrics": "[] {}",
            "early_stopping": "None",
            "callbacks": "[]",
            "checkpoint": "None text bytes",
            "checkpoint_every": LARGE,
            "resume": "",
        },
    ),
}
# What a message begins with where it is not the argument: the others are empty, too.
OTHERWISE = {
    ("accuracy", "y_pred", "[]"): "y_true: expected (0,)",
    ("r2", "y_pred", "[]"): "y_true: expected (0,)",
}


@pytest.mark.parametrize(
    ("call", "argument"), [(c, a) for c, (_, arguments) in CALLS.items() for a in arguments]
)
def test_wrong_values(call, argument):
    function, arguments = CALLS[call]
    right = arguments[argument].split()
    before = OPTIMISER.state()
    for id, value in WRONG.items():
        if id in right:
            continue
        with unchanged(NET), pytest.raises((TypeError, ValueError)) as caught:
            function(argument, value)
        message = str(caught.value)
        begin = OTHERWISE.get((call, argument, id), argument)
        assert message.startswith(begin), f"{id}: {message}"
        assert not isinstance(caught.value, UnicodeError), f"{id}: {message}"
        assert "incompatible" not in message, f"{id}: {message}"
    np.testing.assert_equal(OPTIMISER.state(), before)
