"""Faults as a drawing says and shows them: in a few words, and on which lanes."""

from __future__ import annotations

from meshq.sim import faults
from meshq.sim.drawing.diagram import Arrow, Span
from meshq.sim.faults import Fault
from meshq.sim.network import Weather


def said(fault: Fault) -> str:
    """A fault in a few words."""
    match fault:
        case faults.Partition(groups=groups):
            return "partition " + " | ".join(" ".join(group) for group in groups)
        case faults.OneWay(source=source, target=target):
            return f"nothing from {source} to {target}"
        case faults.Storm(weather=weather, source=source, target=target):
            where = (f" from {source}" if source else "") + (f" to {target}" if target else "")
            return _weather(weather) + where
        case faults.Pause(node=node):
            return f"{node} stands still"
        case faults.Starve(node=node, least_s=least_s, most_s=most_s):
            return f"{node} reads {least_s:g} to {most_s:g} s late"
        case faults.Slow(node=node, turn_s=turn_s):
            return f"{node} slow: {turn_s * 1000:g} ms a turn"
        case faults.SlowReader(node=node, bytes_s=bytes_s):
            return f"{node} reads {bytes_s / 1000:g} kB/s"
        case faults.DiskFull(node=node):
            return f"disk of {node} full"
        case faults.SlowDisk(node=node, slow_s=slow_s):
            return f"disk of {node} slow: {slow_s * 1000:g} ms more"
        case faults.Crash(node=node, host=host, disk=disk):
            return f"{'host of ' if host else ''}{node} crashes" + ("" if disk == "kept" else f", disk {disk}")
        case faults.LinkCut(one=one, other=other, silently=silently):
            return f"link {one} - {other} {'half-open' if silently else 'cut'}"
        case faults.Flap(one=one, other=other, every_s=every_s):
            return f"link {one} - {other} cut each {every_s * 1000:g} ms"
        case faults.Skew(node=node, offset_s=offset_s):
            return f"clock of {node} {offset_s:+g} s"
        case faults.Drain(node=node):
            return f"{node} drains"
    return fault.what()


def _weather(weather: Weather) -> str:
    parts = [
        f"{weather.loss:.0%} lost" if weather.loss else "",
        f"{(weather.latency_s + weather.jitter_s) * 1000:g} ms late" if weather.latency_s + weather.jitter_s else "",
        f"{weather.duplication:.0%} doubled" if weather.duplication else "",
        f"{weather.reordering:.0%} reordered" if weather.reordering else "",
        f"{weather.bandwidth_bytes_s / 1000:g} kB/s" if weather.bandwidth_bytes_s else "",
    ]
    return "packets " + (", ".join(part for part in parts if part) or "as ever")


def lanes_befallen(fault: Fault, at_s: float) -> tuple[list[Span], list[Arrow]]:
    """What a fault that begins at ``at_s`` puts on lanes; what kills or stops a process is seen when it happens."""
    until_s = at_s + fault.for_s
    match fault:
        case faults.Partition(groups=groups):
            sides = [(side, name) for side, group in enumerate(groups) for name in group]
            return [
                Span(kind="side", lane=name, from_s=at_s, until_s=until_s, side=side, text=chr(ord("A") + side))
                for side, name in sides
            ], []
        case faults.Starve(node=node) | faults.Slow(node=node) | faults.SlowReader(node=node):
            return [Span(kind="slow", lane=node, from_s=at_s, until_s=until_s)], []
        case faults.OneWay(source=source, target=target):
            return [], [Arrow(kind="one-way", source=source, target=target, from_s=at_s, until_s=at_s)]
        case faults.LinkCut(one=one, other=other) | faults.Flap(one=one, other=other):
            return [], [Arrow(kind="cut", source=one, target=other, from_s=at_s, until_s=at_s)]
    return [], []
