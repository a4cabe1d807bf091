"""What was emptied stays away, also when the node ends at once."""

from __future__ import annotations

import pytest

from meshq.wire import bodies
from meshq.wire.frames import Answer, Confirmed, Deliver
from tests.engine.test_restarts import again, alone, consuming


@pytest.mark.parametrize("channel", ["billing", ""])
@pytest.mark.parametrize("host", [False, True])
def test_what_was_emptied_stays_away_when_its_node_ends_after_the_answer(channel: str, host: bool) -> None:
    cast = alone()
    client = cast.client("n1")
    if channel:
        client.session.ask(1, "create", {"topic": "orders", "channel": channel}, 1_000)
        client.say()
        client.expect(Answer)
    client.publish("orders", b"one", b"two", level="fsync")
    client.expect(Confirmed)
    cast.run(2.0)
    other = cast.client("n1")
    other.session.ask(1, "empty", {"topic": "orders", "channel": channel}, 1_000)
    other.say()
    other.expect(Answer)
    cast.run(0.02)  # the time of a commit and a sync, and less than what is finished waits to be written
    again(cast, host=host)
    consumer = consuming(cast)
    cast.run(2.0)
    assert [bodies.decode(each.body) for each in consumer.all(Deliver)] == []
