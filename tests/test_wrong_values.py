"""Every public callable refuses wrong values of each argument, and names the argument."""

import copy

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
    ("fit", "x", "{}"): "y: allowed only with data in memory",
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


@pytest.mark.parametrize("name", [None, True, b"bias_l0", [], {}, "\ud800"], ids=repr)
def test_names_of_parameters(name):
    for call in (NET.parameters.__getitem__, NET.parameters.shape):
        with pytest.raises(KeyError, match="parameters: expected one of"):
            call(name)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999), np.ones(3)], ids=len)
def test_betas_are_two(betas):
    with pytest.raises(ValueError, match=f"^betas: expected two numbers, got {len(betas)}"):
        optim.Adam(NET.parameters, betas=betas)


def test_bytes_are_no_sizes():
    for hidden_size in (b"4", bytearray(b"4")):
        with pytest.raises(TypeError, match=r"^hidden_size: expected an int"):
            peephole.LSTM(3, hidden_size)


@pytest.mark.parametrize("batch", [2**31, 2**61, 2**63, 2**64])
def test_batches_that_no_machine_holds(batch):
    with pytest.raises(ValueError, match=f"^batch: expected at most .*, got {batch}"):
        NET.stream(batch)


def test_masked_arrays():
    """Their masks would be lost."""
    x = np.ma.masked_array(X, np.arange(60).reshape(X.shape) == 7)
    mask = np.ma.masked_array(np.ones((16, 3), bool), np.eye(16, 3, dtype=bool))
    for argument, call in {
        "x": lambda: NET(x),
        "x ": lambda: NET.predict(x),
        "x  ": lambda: NET.forward(x),
        "x   ": lambda: fit(x=x),
        "x[0]": lambda: NET.predict(list(x)),
        "series": lambda: peephole.windows(x[0], 2),
        "masks: weight_ih_l0": lambda: peephole.LSTM(3, 4, masks={"weight_ih_l0": mask}),
    }.items():
        with pytest.raises(TypeError, match="without masked values") as caught:
            call()
        assert str(caught.value).startswith(argument.strip())
    NET.predict(np.ma.masked_array(X))  # nothing is masked


def test_tensors_that_require_gradients():
    torch = pytest.importorskip("torch")
    x = torch.zeros(4, 5, 3, requires_grad=True)
    for call in (
        lambda: NET(x),
        lambda: LSTM(x),
        lambda: NET.predict(x),
        lambda: NET.predict(list(x)),
        lambda: NET.forward(x),
        lambda: NET.score(x, Y),
        lambda: fit(x=x),
        lambda: peephole.plot.gates(NET, x[0]),
    ):
        with pytest.raises(TypeError, match=r"^x(\[0\])?: .*Tensor.*requires grad"):
            call()
    np.testing.assert_array_equal(NET.predict(x.detach()), NET.predict(X))


def test_results_of_functions():
    validation = {"validation_data": (X, Y)}
    for argument, result in [("schedule", None), ("schedule", "1"), ("schedule", [1.0])]:
        with pytest.raises(TypeError, match=r"^schedule: expected the function to return"):
            fit(**{argument: lambda step, result=result: result})
    for factor in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^schedule: expected .* got (-1.0|nan|inf) for step"):
            fit(schedule=lambda step, factor=factor: factor)
    for result in (None, "1", [0.5], np.zeros(2)):
        with pytest.raises(TypeError, match=r"^metrics\['mine'\]: expected the function to return"):
            fit(metrics={"mine": lambda y, t, result=result: result}, **validation)
    with pytest.raises(TypeError, match=r"^optimiser: expected to return an Optimiser"):
        fit(optimiser=lambda parameters, rate: None)


def test_nothing_to_train_on():
    for x, y in (([], []), (X[:0], Y[:0]), (X[:, :0], Y[:, :0])):
        with pytest.raises(ValueError, match=r"^x: expected at least one sequence"):
            fit(x=x, y=y)


def test_a_copy_of_an_optimiser_has_its_own_state():
    net = peephole.Network(3, 4, 2, seed=0)
    optimiser = optim.Adam(net.parameters, 1e-2, betas=(0.8, 0.9), weight_decay=0.1)
    optimiser.step(net.backward(net.forward(X + 1)[2], Y + 1))
    twin = copy.copy(optimiser)
    assert repr(twin) == repr(optimiser)
    before = optimiser.state()
    np.testing.assert_equal(twin.state(), before)
    twin.step(net.backward(net.forward(X + 1)[2], Y + 1))
    np.testing.assert_equal(optimiser.state(), before)
    assert (optimiser.steps, twin.steps) == (1, 2)
    with pytest.raises(TypeError, match=r"^Adam: cannot pickle or copy"):
        copy.deepcopy(optimiser)


def test_short_representations():
    adam = optim.Adam(NET.parameters, 3e-3, (0.8, 0.999))
    history = training.History([2.0, 1.0], [1.0] * 2, [0.1] * 2, [0.1] * 2, {"loss": [3.0, 1.5]})
    for value, text in [
        (adam, "Adam(parameters, learning_rate=0.003, betas=(0.8, 0.999))  # 0 steps"),
        (losses.Huber(2), "Huber(delta=2.0)"),
        (losses.MeanSquaredError(), "MeanSquaredError()"),
        (losses.CrossEntropy([1, 2]), "CrossEntropy(class_weight=[1.0, 2.0])"),
        (schedules.Step(10, 0.5), "Step(every=10, factor=0.5)"),
        (
            schedules.WarmUp(5, schedules.Cosine(floor=0.1)),
            "WarmUp(steps=5, then=Cosine(floor=0.1))",
        ),
        (history, "<History epochs=2, loss=1, validation loss=1.5>"),
    ]:
        assert repr(value) == text


def test_loading_by_class(tmp_path):
    for model, other in ((NET, peephole.LSTM), (LSTM, peephole.Network)):
        path = tmp_path / "model"
        model.save(path)
        loaded = type(model).load(path)
        assert type(loaded) is type(model)
        np.testing.assert_array_equal(loaded(X)[0], model(X)[0])
        with pytest.raises(ValueError, match=f"^path: .*{other.__name__}, got .*"):
            other.load(path)
