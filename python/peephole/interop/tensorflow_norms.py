"""Layer normalisation of cells of TensorFlow 1 and of TensorFlow Addons, for `from_tensorflow`.

tf.contrib.rnn.LayerNormBasicLSTMCell of TensorFlow 1 has {input,transform,forget,output,state}/
{gamma,beta} (H,) and no bias. tfa.rnn.LayerNormLSTMCell has {kernel,recurrent}_norm/{gamma,beta}
(4H,) and state_norm/{gamma,beta} (H,).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import real

# Of tf.contrib.layers.layer_norm, and of the arguments of tfa.rnn.LayerNormLSTMCell.
_EPSILON_OF_TENSORFLOW, _EPSILON_OF_ADDONS = 1e-12, 1e-3


def layer_norm_options(gains: Mapping[str, Any], epsilon: float | None) -> dict[str, Any]:
    """The options of layer normalisation."""
    if not gains:
        return {}
    form, default = ("gates", _EPSILON_OF_TENSORFLOW)
    if "gain" not in gains:
        form, default = "products", _EPSILON_OF_ADDONS
    value = default if epsilon is None else real(epsilon, "layer_norm_epsilon")
    return {"layer_norm": form, "layer_norm_epsilon": value}


def norms_of_gates(units: int, take: Any) -> tuple[dict[str, Any], NDArray[Any]]:
    """The gains of TensorFlow 1's cell, and the shifts of its gates (4H,)."""
    gates = ("input", "forget", "transform", "output")
    gain, shift = (
        np.concatenate([take(f"{gate}/{kind}", (units,)) for gate in gates])
        for kind in ("gamma", "beta")
    )
    of_cell = {"gain_c": take("state/gamma", (units,)), "shift_c": take("state/beta", (units,))}
    return {"gain": gain, **of_cell}, shift


def norms_of_products(
    arrays: Mapping[str, Any], scope: str, units: int, take: Any
) -> tuple[dict[str, Any], NDArray[Any] | None]:
    """The same of Addons' cell, or nothing."""
    if f"{scope}/kernel_norm/gamma" not in arrays:
        return {}, None
    gains = {
        "gain_ih": take("kernel_norm/gamma", (4 * units,)),
        "gain_hh": take("recurrent_norm/gamma", (4 * units,)),
        "gain_c": take("state_norm/gamma", (units,)),
        "shift_c": take("state_norm/beta", (units,)),
    }
    shifts = [take(f"{name}_norm/beta", (4 * units,)) for name in ("kernel", "recurrent")]
    return gains, shifts[0] + shifts[1]
