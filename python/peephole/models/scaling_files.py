"""Model files that also hold the scalings of a network's data.

The core knows nothing of them. A file with scalings is a model file as the core writes it, with
"input_scaling" or "target_scaling" among its metadata, in the form of `scaling_text`; the core, and
releases without scalings, read the rest of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.scaling.texts import NAMES

# As the core writes them: cpp/src/files/format.hpp.
_METADATA = {"format": "peephole", "format_version": "1", "kind": "Network"}
_MASKS = "masks/"
METADATA = "metadata/"  # before the names of what the caller adds
# The options that files always have. The core writes newer ones (`InFiles::unless_default`) only if
# they are not the default, so that older releases read the file.
ALWAYS_WRITTEN = {"input_size", "hidden_size", "output_size", "peephole", "peephole_gates"}
ALWAYS_WRITTEN |= {
    "output_peephole",
    "bias",
    "activations",
    "coupled_input_forget",
    "bidirectional",
}
ALWAYS_WRITTEN |= {"dropout", "recurrent_dropout", "zoneout", "head", "readout", "dtype"}
_MOST_BYTES = 2**20  # of a header that the core reads


def save_with_scalings(
    path: str,
    options: Mapping[str, Any],
    parameters: Mapping[str, NDArray[Any]],
    masks: Mapping[str, NDArray[Any]],
    texts: Mapping[str, str],
) -> None:
    """Writes the file of a network with the texts of its scalings, as the core writes files."""
    arrays = dict(parameters)
    for name, mask in masks.items():
        # Something may have been written to masked weights through a view.
        arrays[name] = np.where(mask, arrays[name], arrays[name].dtype.type(0))
        arrays[_MASKS + name] = mask
    defaults = core.option_defaults()
    written = {k: v for k, v in options.items() if k in ALWAYS_WRITTEN or v != defaults[k]}
    metadata = {**_METADATA, "options": json.dumps(written), **texts}
    _check_header(arrays, metadata)
    core.write_tensors(path, arrays, metadata)


def _check_header(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> None:
    """Raises ValueError if the header could be too long for the core to read."""
    end = sum(array.nbytes for array in arrays.values())
    tensors = {
        name: {"dtype": "BOOL", "shape": array.shape, "data_offsets": [end, end]}
        for name, array in arrays.items()
    }
    size = len(json.dumps({"__metadata__": metadata, **tensors}))
    if size > _MOST_BYTES:
        raise ValueError(
            f"{' and '.join(metadata.keys() & {*NAMES})}: expected a file header of at most "
            f"{_MOST_BYTES} bytes, got {size}; there are too many features or metadata"
        )
