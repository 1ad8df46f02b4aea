"""Values of wrong kinds: masked arrays, tensors with gradients, results of functions."""

import numpy as np
import peephole
import pytest
from peephole import optim

X, Y = np.zeros((4, 5, 3)), np.zeros((4, 5, 2))
NET = peephole.Network(3, 4, 2, seed=0)


def fit(**arguments):
    return NET.fit(**{"x": X, "y": Y, "epochs": 1, "progress": False, **arguments})


@pytest.mark.parametrize("name", [None, True, b"bias_l0", [], {}, "\ud800"], ids=repr)
def test_names_of_parameters(name):
    for call in (NET.parameters.__getitem__, NET.parameters.shape):
        with pytest.raises(KeyError, match="parameters: expected one of"):
            call(name)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 0.99, 0.999), np.ones(3)], ids=len)
def test_betas_are_two(betas):
    with pytest.raises(ValueError, match=f"^betas: expected two numbers, got {len(betas)}"):
        optim.Adam(NET.parameters, betas=betas)


def test_bytes_are_not_sizes():
    for hidden_size in (b"4", bytearray(b"4")):
        with pytest.raises(TypeError, match=r"^hidden_size: expected an int"):
            peephole.LSTM(3, hidden_size)


@pytest.mark.parametrize("batch", [2**31, 2**61, 2**63, 2**64])
def test_batches_that_are_too_large(batch):
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
        lambda: NET.lstm(x),
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
    with pytest.raises(
        TypeError, match=r"^optimiser: expected the function to return an Optimiser"
    ):
        fit(optimiser=lambda parameters, rate: None)


def test_nothing_to_train_on():
    for x, y in (([], []), (X[:0], Y[:0]), (X[:, :0], Y[:, :0])):
        with pytest.raises(ValueError, match=r"^x: expected at least one sequence"):
            fit(x=x, y=y)
