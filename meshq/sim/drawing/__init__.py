"""A run drawn as a space-time diagram: nodes as lanes, time to the right.

``diagram`` is what there is to draw, as plain data; ``recorder`` gathers it from a fleet while it runs, ``svg`` draws
it. Nothing here decides anything about a run, and a run that is recorded leaves the same trace as one that is not.
"""

from __future__ import annotations

from meshq.sim.drawing.diagram import Arrow, Bar, Diagram, Mark, Span
from meshq.sim.drawing.played import diagram_of
from meshq.sim.drawing.recorder import Recorder
from meshq.sim.drawing.svg import svg

__all__ = ["Arrow", "Bar", "Diagram", "Mark", "Recorder", "Span", "diagram_of", "svg"]
