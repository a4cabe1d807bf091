"""What is owed is kept: at every look each message of a log that some channel has not finished lies in a batch that
the origin still holds, or in its store. The window for late channels often holds it as well, for a while; nobody may
rely on that."""

from __future__ import annotations

from meshq.broker.log import Log
from meshq.sim.checkers.base import Checker
from meshq.sim.host import Host


class Kept(Checker):
    """Compares what is open with what is counted and held."""

    def look(self, host: Host) -> None:
        engine = self.stage.engine(host.name)
        for topic in engine.broker._registry.topics.values() if engine is not None else ():
            for log in topic.logs.values():
                if wrong := _wrong(log):
                    self.find(f"{host.name} {wrong} of {topic.name}")


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
