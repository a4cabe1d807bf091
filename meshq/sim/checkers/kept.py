"""What is owed is kept: at every look each message of a log that some channel has not finished lies in a batch that
the origin still holds, or in its store. The window for late channels often holds it as well, for a while; nobody may
rely on that."""

from __future__ import annotations

from meshq.broker.log import Log
from meshq.machine.ranges import Ranges
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host
from meshq.sim.shelf import Shelf


class Kept(Checker):
    """Compares what is open with what is counted and held."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for topic in engine.broker._registry.topics.values() if engine is not None else ():
            for log in topic.logs.values():
                if wrong := _wrong(log) or _not_stored(log, host.disk.committed):
                    self.find(f"{host.name} {wrong} of {topic.name}")


def _not_stored(log: Log, shelf: Shelf) -> str:
    """What is in the store only must be there, but for batches on their way."""
    if not (log.away_messages or log.sleeping_messages):
        return ""
    kept = shelf.logs.get((log.topic, log.id))
    there = Ranges(kept.numbers() if kept is not None else ())
    for batch in log.falling.values():
        there.add(batch.first, batch.stop)
    for start, stop in (*log.away, *log.sleeping):
        for low, high in there.missing(start, stop):
            return f"keeps {low} to {high} in its store, which does not have them,"
    return ""


def _wrong(log: Log) -> str:
    for cursor in log.cursors:
        for start, stop in cursor.finished.missing(cursor.born, log.next):
            kept = 0
            for batch in log.overlapping(start, stop):
                if batch.open:
                    kept += min(stop, batch.stop) - max(start, batch.first)
            for low, high in (*log.away.within(start, stop), *log.sleeping.within(start, stop)):
                kept += high - low
            if kept != stop - start:
                return f"keeps {kept} messages of {start} to {stop}, which a channel has not finished,"
    return ""
