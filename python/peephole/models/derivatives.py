"""Products with the Jacobian and the Hessian: forward-mode derivatives of both passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import array, call_arrays, flag, given, seed_number_or_none, without_mask
from peephole._types import Gradients, Seed, State, StateArrays, Tangents
from peephole.models.base import Model


class Derivatives(Model):
    """What `LSTM` and `Network` have in common; not for use by itself."""

    __slots__ = ()

    def jvp(
        self,
        x: ArrayLike,
        tangents: Tangents | Gradients,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        seed: Seed = None,
    ) -> tuple[tuple[NDArray[Any], StateArrays], tuple[NDArray[Any], StateArrays]]:
        """The Jacobian-vector product of `forward`: forward-mode differentiation.

        It is computed in float64 by the reference path, on one thread, and takes some ten times as
        long as `forward` or more.

        Args:
            x, state, lengths, seed: As in `forward`.
            tangents: The direction in which x, the initial state and the parameters move.

        Returns:
            values: (y, state), as `forward` returns them to within rounding.
            derivatives: Those of (y, state) along the direction, with the same shapes.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.

        Example:
            >>> lstm = peephole.LSTM(2, 3, dtype="float64", seed=0)
            >>> x = np.ones((1, 4, 2))
            >>> (y, _), (y_tangent, _) = lstm.jvp(x, peephole.Tangents(x=x))
            >>> y_tangent.shape
            (1, 4, 3)
        """
        direction = _direction(tangents)
        number = seed_number_or_none(seed)
        x, lengths = call_arrays(x, state, lengths)
        values, derivatives = self._core.jvp(x, state, lengths, *direction, number)
        return values, derivatives


class LSTMDerivatives(Derivatives):
    """The methods of `LSTM` for second derivatives; not for use by itself."""

    __slots__ = ()

    _core: core.LSTM

    def backward_jvp(
        self,
        tape: core.Tape,
        tangents: Tangents | Gradients,
        dy: ArrayLike,
        dstate: State | None = None,
        *,
        dy_tangent: ArrayLike | None = None,
        dstate_tangent: State | None = None,
        inputs: bool = True,
    ) -> tuple[Gradients, Gradients]:
        """The Jacobian-vector product of `forward` and `backward` together: second derivatives.

        With neither `dy_tangent` nor `dstate_tangent`, the derivatives are the product of
        `tangents` with the Hessian of <dy, y> + <dstate, final state>, a sum that is linear in y
        [1]_. For the Hessian of another loss, `dy_tangent` is the derivative of dy along the
        tangent of y, which `jvp` returns: for half the squared error, dy = y - target, it is the
        tangent of y itself. Computed as by `jvp`.

        Args:
            tape, dy, dstate, inputs: As in `backward`.
            tangents: The direction in which x, the initial state and the parameters move.
            dy_tangent, dstate_tangent: The direction in which dy and dstate move, with their
                shapes; None: they do not move.

        Returns:
            values: The gradients, as `backward` returns them to within rounding.
            derivatives: Those of the gradients along the direction, with the same shapes.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.

        Example:
            The product of the Hessian of half the squared error with the gradient itself:

            >>> lstm = peephole.LSTM(2, 3, dtype="float64", seed=0)
            >>> x, target = np.ones((1, 4, 2)), np.zeros((1, 4, 3))
            >>> y, _, tape = lstm.forward(x)
            >>> v = peephole.Tangents(parameters=lstm.backward(tape, y - target).parameters)
            >>> _, (y_tangent, _) = lstm.jvp(x, v)
            >>> _, product = lstm.backward_jvp(tape, v, y - target, dy_tangent=y_tangent)
            >>> sorted(product.parameters)
            ['bias_l0', 'weight_ch_l0', 'weight_hh_l0', 'weight_ih_l0']

        References:
            .. [1] B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation
               6 (1994) 147-160, doi:10.1162/neco.1994.6.1.147.
        """
        upstream = {"dy": array(dy, "dy"), "dy_tangent": given(dy_tangent, "dy_tangent")}
        return _backward_jvp(
            self._core, tape, tangents, dstate, dstate_tangent, inputs, **upstream, of_y=True
        )


class NetworkDerivatives(Derivatives):
    """The methods of `Network` for second derivatives; not for use by itself."""

    __slots__ = ()

    _core: core.Network

    def backward_jvp(
        self,
        tape: core.Tape,
        tangents: Tangents | Gradients,
        dy: ArrayLike | None = None,
        dstate: State | None = None,
        *,
        dlogits: ArrayLike | None = None,
        dy_tangent: ArrayLike | None = None,
        dlogits_tangent: ArrayLike | None = None,
        dstate_tangent: State | None = None,
        inputs: bool = True,
    ) -> tuple[Gradients, Gradients]:
        """The Jacobian-vector product of `forward` and `backward` together: second derivatives.

        As `LSTM.backward_jvp`, for the results of the head.

        Args:
            tape, dy, dstate, dlogits, inputs: As in `backward`.
            tangents: The direction in which x, the initial state and the parameters move.
            dy_tangent, dlogits_tangent, dstate_tangent: The direction in which dy or dlogits, and
                dstate, move, with their shapes; None: they do not move. For cross-entropy after
                softmax, with dlogits = y - onehot(label), `dlogits_tangent` is the tangent of y,
                which `jvp` returns.

        Returns:
            values, derivatives: As of `LSTM.backward_jvp`.
        """
        of_y = dlogits is None
        if (dy is None) == of_y:
            raise ValueError(
                "dy: expected exactly one of dy and dlogits, got " + ("neither" if of_y else "both")
            )
        name, gradient, tangent = ("dy", dy, dy_tangent)
        other, unused = ("dlogits_tangent", dlogits_tangent)
        if not of_y:
            name, gradient, tangent = ("dlogits", dlogits, dlogits_tangent)
            other, unused = ("dy_tangent", dy_tangent)
        if unused is not None:
            raise ValueError(f"{other}: expected None with {name}, got an array")
        upstream = {"dy": array(gradient, name), "dy_tangent": given(tangent, f"{name}_tangent")}
        return _backward_jvp(
            self._core, tape, tangents, dstate, dstate_tangent, inputs, **upstream, of_y=of_y
        )


def _backward_jvp(
    model: Any,
    tape: Any,
    tangents: Any,
    dstate: Any,
    dstate_tangent: Any,
    inputs: bool,
    *,
    dy: Any,
    dy_tangent: Any,
    of_y: bool,
) -> tuple[Gradients, Gradients]:
    """The core's `backward_jvp`; `dy` and its tangent are of y, or of the logits."""
    direction = _direction(tangents)
    inputs = flag(inputs, "inputs")
    without_mask(dstate, "dstate")
    without_mask(dstate_tangent, "dstate_tangent")
    values, derivatives = model.backward_jvp(
        tape, dy, dstate, of_y, *direction, dy_tangent, dstate_tangent, inputs
    )
    return Gradients(*values), Gradients(*derivatives)


def _direction(tangents: Any) -> tuple[Any, Any, dict[Any, Any] | None]:
    """x, state and parameters of the tangents, as the core takes them."""
    if not isinstance(tangents, (Tangents, Gradients)):
        raise TypeError(
            f"tangents: expected peephole.Tangents or Gradients, got {type(tangents).__name__}"
        )
    x, state, parameters = tangents
    if parameters is not None:
        if not isinstance(parameters, Mapping):
            raise TypeError(
                "tangents.parameters: expected a mapping of names to arrays, "
                f"got {type(parameters).__name__}"
            )
        parameters = {
            name: array(value, f"tangents.parameters[{name!r}]")
            for name, value in parameters.items()
        }
    if state is not None:
        without_mask(state, "tangents.state")
    return given(x, "tangents.x"), state, parameters
