"""What a bench has to say at its end: settings, runs, spread, calibrations, and whether the host was too noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from meshq.bench import noise
from meshq.bench.calibration import Calibration
from meshq.bench.figures import Figure, Kind, Spread
from meshq.bench.host import describe


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run found: a value for each figure, and whole curves for the plots.

    ``index`` is how fast the host was, where the run itself knows better than the calibrations around it.
    """

    values: Mapping[str, float]
    series: Mapping[str, Any] = field(default_factory=dict)
    index: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run with the host as it was: the speed index, and the share of the processors that others used."""

    measured: Measured
    index: float
    others: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of one bench."""

    bench: str
    settings: Mapping[str, Any]
    figures: Sequence[Figure]
    runs: Sequence[Run]
    calibrations: Sequence[Calibration]

    def values(self, figure: Figure) -> list[float]:
        """As measured, run by run."""
        return [run.measured.values[figure.name] for run in self.runs]

    def adjusted(self, figure: Figure) -> list[float]:
        """As they would be on the reference host, run by run."""
        return [figure.kind.adjusted(run.measured.values[figure.name], run.index) for run in self.runs]

    def noise(self) -> list[str]:
        """Why this host was too noisy; empty if it was not."""
        repeating = [figure for figure in self.figures if figure.repeats]
        adjusted = {figure.name: self.adjusted(figure) for figure in repeating}
        if all(figure.kind is Kind.SIZE for figure in repeating):
            return noise.reasons(adjusted, [1.0], [])
        return noise.reasons(adjusted, [each.index for each in self.calibrations], [run.others for run in self.runs])

    def document(self) -> dict[str, Any]:
        """For programs."""
        reasons = self.noise()
        return {
            "bench": self.bench,
            "settings": dict(self.settings),
            "figures": {figure.name: self._figure(figure) for figure in self.figures},
            "calibrations": [{**asdict(each), "index": round(each.index, 3)} for each in self.calibrations],
            "runs": [
                {
                    **run.measured.values,
                    "index": round(run.index, 3),
                    "others": run.others,
                    "series": run.measured.series,
                }
                for run in self.runs
            ],
            "noisy": bool(reasons),
            "noise": reasons,
            "host": describe(),
        }

    def _figure(self, figure: Figure) -> dict[str, Any]:
        return {
            "unit": figure.unit,
            **asdict(Spread.of(self.values(figure))),
            "calibrated": asdict(Spread.of([round(value, 4) for value in self.adjusted(figure)])),
        }
