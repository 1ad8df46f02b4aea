"""LSTM networks with peephole connections on all four gates, over a C++ core."""

from peephole import (
    datasets,
    decoding,
    inspection,
    losses,
    masks,
    metrics,
    optim,
    plot,
    schedules,
    training,
)
from peephole._core import __version__
from peephole._runtime import (
    build_info,
    executor,
    num_threads,
    register_with_threadpoolctl,
    set_executor,
    set_isa,
    set_num_threads,
)
from peephole._types import Gradients, Tangents
from peephole.models.files import load
from peephole.models.lstm import LSTM
from peephole.models.network import Network
from peephole.models.sessions import Sessions
from peephole.models.stream import Stream
from peephole.scaling import Standardiser
from peephole.static import with_static
from peephole.views.quantization import QuantizationReport, quantization_report
from peephole.windows import windows

__all__ = [
    "LSTM",
    "Gradients",
    "Network",
    "QuantizationReport",
    "Sessions",
    "Standardiser",
    "Stream",
    "Tangents",
    "__version__",
    "build_info",
    "datasets",
    "decoding",
    "executor",
    "inspection",
    "load",
    "losses",
    "masks",
    "metrics",
    "num_threads",
    "optim",
    "plot",
    "quantization_report",
    "register_with_threadpoolctl",
    "schedules",
    "set_executor",
    "set_isa",
    "set_num_threads",
    "training",
    "windows",
    "with_static",
]

# Pickles and messages use the public place of these names, not the module that defines them.
_PUBLIC = (
    LSTM,
    Gradients,
    Network,
    QuantizationReport,
    Sessions,
    Standardiser,
    Stream,
    Tangents,
    executor,
    load,
    quantization_report,
    with_static,
)
for _public in _PUBLIC:
    _public.__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)  # completion lists the public names only
