"""One frame of every kind with every field filled, for tests that want them all."""

from __future__ import annotations

from typing import Any

from meshq.names import ChannelKey, Epoch, LogId
from meshq.wire import bodies
from meshq.wire.frames import KINDS, Frame

LOG = LogId("billing-1", 1_700_000_000_000, 2**63, 1, 0)
VALUES: dict[str, Any] = {
    "int": 7,
    "str": "text",
    "bytes": b"bytes",
    "bool": True,
    "Any": {"nodes": {"a": {"topics": [{"channels": [{"depth": 1}]}]}}},
    "Flow": ChannelKey("orders", "billing", 3),
    "LogId": LOG,
    "Epoch": Epoch(1_700_000_000_000, 2**63),
    "list[str]": ["one", "two"],
    "list[Span]": [(LOG, 1, 5), (LOG, 9, 10)],
    "list[list[int]]": [[1, 2, 1]],
    "list[Range]": [[1, 4], [6, 9]],
    "list[Tried]": [[4, 6, 2, 1500, "first", "last"]],
    "list[tuple[LogId, int, int]]": [(LOG, 10, 4)],
    "dict[str, Any]": {"later": [1, {"x": b"y"}]},
    "dict[str, list[Any]]": {"mesh": ["10.0.0.1", 4155], "observed": ["::1", 65535]},
}


def sample(kind: type[Any]) -> Frame:
    """A frame of this kind; Deliver's span fits its body."""
    fields = {name: VALUES[hint.__forward_arg__] for name, hint in kind.__annotations__.items()}
    if "start" in fields:
        fields.update(start=1, stop=3)
    if "body" in fields:
        fields["body"] = bodies.encode([b"a", b"b"])
    frame: Frame = kind(**fields)
    return frame


FRAMES: list[Frame] = [sample(kind) for kind in KINDS.values()]
