"""The verdict of the demo: the figures that it prints, and whether they keep what was promised. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

LEASES_BACK_S_MAX: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came out; times in seconds, None for what never happened."""

    published: int
    confirmed: int
    finished: dict[str, int]
    """Confirmed messages that were finished, by channel."""
    lost: int
    duplicates: int
    """Deliveries beyond the first, as the consumers saw them."""
    redelivered: int
    """The same as the nodes that own the messages count it."""
    owed_at_kill: int
    """Deliveries that the killed node still owed of what it had confirmed itself."""
    leases_back_s: float | None
    """From kill -9 until every surviving node had taken back what the dead one had borrowed."""
    rejoined_s: float | None
    """From its restart until every survivor held the node alive again."""
    messages_per_s: float
    """Finished on all channels, by the time from the first publish to the last finish; the demo paces itself."""
    seconds: float
    error: str = ""

    @property
    def kept(self) -> bool:
        """Whether nothing was lost and the demo came to its end."""
        return self.lost == 0 and self.confirmed == self.published > 0 and not self.error

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.kept, **asdict(self)}

    def lines(self) -> list[str]:
        """For people."""
        channels = ", ".join(f"{count:,} on {name}" for name, count in self.finished.items())
        head = (
            "Nothing was lost." if self.kept else f"{self.lost:,} messages were lost." if self.lost else "Not finished."
        )
        return [
            f"{head} {self.confirmed:,} of {self.published:,} messages confirmed; finished {channels}.",
            f"A node was killed with kill -9: what it had borrowed was back after {_time(self.leases_back_s)}, "
            f"{self.redelivered:,} messages were delivered again ({self.duplicates:,} seen twice).",
            f"Started again on its data, it was a member for everybody after {_time(self.rejoined_s)}, and made "
            f"the {self.owed_at_kill:,} deliveries that it had owed when it was killed.",
            f"{self.messages_per_s:,.0f} messages/s through a pace set for watching; {self.seconds:.1f} s in all.",
            *([self.error] if self.error else []),
        ]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "(never)"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
