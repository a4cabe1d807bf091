"""meshq beside other brokers on this host: the same work, in turn, in one call, so that the ratios mean something.

A turn is one run of each; the ratio is that of the two runs of a turn, so that a host that gets slower does it to both.
Each is set beside meshq at the level that promises about as much: a broker that writes a file beside ``disk``.
Every broker runs with one publisher and one consumer, in three processes, on loopback, with a folder of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from meshq.bench import noise
from meshq.bench.calibration import Calibration, calibrate
from meshq.bench.crew import BenchError, Crew
from meshq.bench.figures import Spread
from meshq.bench.flow import RATE
from meshq.bench.host import Bystanders, data_place, describe
from meshq.bench.peers.known import PEERS, Peer
from meshq.bench.repeat import Say
from meshq.bench.show import conclude, console, document, drawing, progress, table
from meshq.bench.throughput import Throughput

OURS: Final = {
    "meshq": ("memory", "memory, each confirmed and finished"),
    "meshq disk": ("disk", "disk, each confirmed and finished"),
}
"""By what meshq is called here: its level, and what a publish and a finish are worth."""


@dataclass(frozen=True)
class Compare:
    """The work."""

    messages: int
    size_bytes: int
    batch: int
    calls: int


@dataclass(frozen=True)
class Comparison:
    """Messages a second of each broker, turn by turn."""

    work: Compare
    rates: dict[str, list[float]]
    means: dict[str, str]
    beside: dict[str, str]
    """Which meshq each of the others is set beside."""
    missing: Sequence[Peer]
    calibrations: Sequence[Calibration]
    others: Sequence[float | None]

    def ratios(self, name: str) -> list[float]:
        """By how much meshq exceeds it, turn by turn; one for meshq itself."""
        beside = self.beside.get(name, name)
        return [ours / theirs for ours, theirs in zip(self.rates[beside], self.rates[name], strict=True)]

    def noise(self) -> list[str]:
        """Why the ratios are not to be believed; empty if they are."""
        ratios = {f"{ours} / {name}": self.ratios(name) for name, ours in self.beside.items()}
        return noise.reasons(ratios, [each.index for each in self.calibrations], self.others)

    def document(self) -> dict[str, Any]:
        """For programs."""
        reasons = self.noise()
        return {
            "bench": "compare",
            "settings": asdict(self.work),
            "brokers": {
                name: {
                    "means": self.means[name],
                    "beside": self.beside.get(name, name),
                    "messages_per_s": {**asdict(Spread.of(rates)), "runs": rates},
                    "meshq_ratio": {**asdict(Spread.of(self.ratios(name))), "runs": self.ratios(name)},
                }
                for name, rates in self.rates.items()
            },
            "missing": {peer.name: peer.get for peer in self.missing},
            "calibrations": [{**asdict(each), "index": round(each.index, 3)} for each in self.calibrations],
            "others": list(self.others),
            "noisy": bool(reasons),
            "noise": reasons,
            "host": describe(),
        }


def run(work: Compare, *, runs: int, as_json: bool, plot: Path | None) -> int:
    """Compare, show it, draw it; the exit status. Raises BenchError when there is nobody to compare with."""
    draw = drawing(plot)
    present = [peer for peer in PEERS if peer.found() is not None]
    if not present:
        raise BenchError(f"there is no other broker here: {_ways(PEERS)}")
    with progress(as_json=as_json) as say:
        comparison = compare(work, present, runs, say)
    if as_json:
        document(comparison.document())
    else:
        _people(comparison)
    draw(comparison)
    return 0


def compare(work: Compare, peers: Sequence[Peer], runs: int, say: Say) -> Comparison:
    """So many turns."""
    say("calibration")
    calibrations = [calibrate()]
    others: list[float | None] = []
    rates: dict[str, list[float]] = {name: [] for name in (*OURS, *(peer.name for peer in peers))}
    for number in range(1, runs + 1):
        with Bystanders() as bystanders:
            for name, (level, _) in OURS.items():
                say(f"turn {number} of {runs}: {name}")
                rates[name].append(_meshq(work, level))
            for peer in peers:
                say(f"turn {number} of {runs}: {peer.name}")
                with Crew() as crew:
                    rates[peer.name].append(peer.per_s(crew, _whole(work), work.size_bytes, work.batch, work.calls))
        others.append(bystanders.share)
        calibrations.append(calibrate())
    means = {name: means for name, (_, means) in OURS.items()} | {peer.name: peer.means for peer in peers}
    beside = {peer.name: peer.beside for peer in peers}
    missing = [peer for peer in PEERS if peer not in peers]
    return Comparison(work, rates, means, beside, missing, calibrations, others)


def _whole(work: Compare) -> int:
    return work.messages - work.messages % work.batch


def _meshq(work: Compare, level: str) -> float:
    load = Throughput(work.messages, work.size_bytes, work.batch, work.calls, level, each=False)
    with Crew() as crew:
        return load.measure(crew, lambda _: None).values[RATE.name]


def _people(comparison: Comparison) -> None:
    out, work = console(), comparison.work
    out.print(
        f"compare: {work.messages:,} messages of {work.size_bytes} bytes, batches of {work.batch}, "
        f"{work.calls} outstanding; {len(comparison.others)} turns",
        soft_wrap=True,
    )
    out.print(data_place(), soft_wrap=True)
    shown = table("", "MIN", "MESSAGES/S", "MAX", "MESHQ IS", "MEDIAN", "MAX", "")
    for name, rates in comparison.rates.items():
        spread, ratio = Spread.of(rates), Spread.of(comparison.ratios(name))
        numbers = [f"{value:,.0f}" for value in (spread.min, spread.median, spread.max)]
        times = [f"{value:.2f}x" for value in (ratio.min, ratio.median, ratio.max)] if name not in OURS else [""] * 3
        shown.add_row(name, *numbers, *times, comparison.beside.get(name, ""))
    out.print(shown)
    for name, means in comparison.means.items():
        out.print(f"{name}: {means}", soft_wrap=True)
    if comparison.missing:
        out.print(f"not here: {_ways(comparison.missing)}", soft_wrap=True)
    conclude(comparison.calibrations, comparison.noise())


def _ways(peers: Sequence[Peer]) -> str:
    return ", ".join(f"{peer.name} ({peer.get})" for peer in peers)
