"""The gates and cells of a layer, step by step."""

from peephole.views.inspection import Activities, gate_activities

__all__ = ["Activities", "gate_activities"]

for _public in (Activities, gate_activities):
    _public.__module__ = __name__  # pickles use the public place
