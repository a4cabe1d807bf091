"""Everything at once, by seed: refusals, late answers, broken connections, cancellations. Nothing may hang or leak.

Each storm ends with fair weather; then every call must have ended, and every table must be empty.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

import pytest

from meshq.client.mesh import Mesh
from meshq.client.receipts import Receipt
from meshq.client.subscription import Subscription
from meshq.errors import MeshError
from meshq.wire.frames import Deliver, Fin, Hello, Publish, Req, Return, Subscribe
from tests.client.nodes import Lan, ScriptedNode, on_loop, until

SEEDS = range(6 * int(os.environ.get("MESHQ_EXAMPLES", "1")))


class Moody(ScriptedNode):
    """Answers a publish at once, late or never; refuses it; or ends the connection. Fair once ``fair`` is set."""

    rng: random.Random
    fair = False

    def answer(self, frame: Publish) -> None:
        mood = 1.0 if self.fair else self.rng.random()
        session = self.session
        if mood < 0.15:
            self.refuse(frame, self.rng.choice(["FULL", "STARTING"]))
        elif mood < 0.18:
            self.end()
        elif mood < 0.20:
            self.end(goodbye="LEAVING")
        elif mood < 0.5:
            asyncio.get_running_loop().call_later(self.rng.random() * 0.01, self.late, session, frame)
        else:
            self.confirm(frame)

    def late(self, session: Any, frame: Publish) -> None:
        if session is self.session and self.stream is not None:
            self.confirm(frame)


def moody_lan(seed: int) -> tuple[Lan, list[Moody]]:
    lan, nodes = Lan(), []
    for name in ("1", "2"):
        node = Moody(lan, name, (name, 4155))
        node.rng = random.Random(f"{seed}/{name}")
        node.options["publish_messages"] = 40
        node.on_publish = node.answer
        lan.nodes[node.address] = node
        nodes.append(node)
    return lan, nodes


async def call(mesh: Mesh, rng: random.Random, number: int) -> str:
    """One publish of some kind, now and then cancelled; how it ended."""
    topic = rng.choice(["t", "u"])
    options: dict[str, Any] = {"timeout_s": rng.choice([0.05, 5.0]), "retry": rng.random() < 0.5}
    work = (
        mesh.publish(topic, b"%d" % number, **options)
        if rng.random() < 0.7
        else mesh.publish_many(topic, [b"%d" % number] * rng.randrange(1, 12), **options)
    )
    task: asyncio.Task[Receipt] = asyncio.ensure_future(work)
    if rng.random() < 0.1:
        asyncio.get_running_loop().call_later(rng.random() * 0.005, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    except MeshError as exc:
        return f"{type(exc).__name__}{' although retried' if options['retry'] else ''}"
    return "confirmed"


@pytest.mark.parametrize("seed", SEEDS)
def test_every_publish_ends_and_nothing_is_left_over(seed: int) -> None:
    @on_loop
    async def main() -> None:
        lan, nodes = moody_lan(seed)
        rng = random.Random(seed)
        ends: Counter[str] = Counter()

        async def work(mesh: Mesh, worker: int) -> None:
            for number in range(25):
                ends[await call(mesh, rng, worker * 1000 + number)] += 1
                if rng.random() < 0.2:
                    await asyncio.sleep(0)

        async with lan.mesh() as mesh:
            workers = [asyncio.ensure_future(work(mesh, worker)) for worker in range(20)]
            await until(lambda: sum(ends.values()) > 400)
            for node in nodes:
                node.fair = True
            await asyncio.gather(*workers)
            publisher = mesh._publisher
            await until(lambda: not publisher._sent)
            await until(lambda: not publisher._pauses)
            assert not publisher._waiting
            assert (publisher._out_messages, publisher._out_bytes) == (0, 0)
        assert sum(ends.values()) == 500
        assert ends["confirmed"] > 200
        assert not ends["Unconfirmed although retried"]

    main()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_message_settles_at_most_once_in_its_session(seed: int) -> None:
    @on_loop
    async def main() -> None:
        lan = Lan()
        node = lan.node()
        rng = random.Random(seed)
        delivered: list[Deliver] = []

        async def consume(messages: Subscription) -> None:
            async for message in messages:
                try:
                    async with message:
                        mood = rng.random()
                        if mood < 0.2:
                            raise ValueError(message)
                        if mood < 0.3:
                            message.requeue(0.5)
                        elif mood < 0.4:
                            message.touch()
                        elif mood < 0.5:
                            message.give_back()
                        elif mood < 0.6:
                            await asyncio.sleep(rng.random() * 0.003)
                except ValueError:
                    continue

        async def consume_leases(messages: Subscription) -> None:
            async for lease in messages.leases():
                try:
                    async with lease:
                        for message in lease:
                            for settle in rng.sample(
                                (message.finish, message.requeue, message.touch), rng.randrange(4)
                            ):
                                settle()
                        if rng.random() < 0.2:
                            raise ValueError(lease)
                        await asyncio.sleep(0)
                except ValueError:
                    continue

        async with lan.mesh() as mesh:
            messages = await mesh.subscribe("t", "c", max_in_flight=50)
            workers = [asyncio.ensure_future(consume(messages)) for _ in range(4)]
            workers += [asyncio.ensure_future(consume_leases(messages)) for _ in range(2)]
            for _ in range(120):
                await until(lambda: node.stream is not None and node.session.up)
                await until(lambda: len(node.all(Subscribe)) == node.sessions)
                mood = rng.random()
                if mood < 0.03:
                    node.end()
                    continue
                if mood < 0.06:
                    messages.set_max_in_flight(rng.randrange(1, 60))
                if mood < 0.12:
                    victim = rng.randrange(len(workers))
                    workers[victim].cancel()
                    await asyncio.wait((workers[victim],))
                    again = consume if victim < 4 else consume_leases
                    workers[victim] = asyncio.ensure_future(again(messages))
                _, start, stop = node.deliver(node.flow, [b"x"] * rng.randrange(1, 20))
                node.frames.append(Deliver(node.flow, node.log, start, stop, 0, [], b""))
                delivered.append(node.frames[-1])  # type: ignore[arg-type]
                await asyncio.sleep(0)
            await until(lambda: not messages._inbox.waiting and not messages._inbox.taken)
            await messages.close()
            await asyncio.gather(*workers)
        assert len(delivered) > 80
        check_sessions(node)

    main()


def check_sessions(node: ScriptedNode) -> None:
    """Within a session each lent message is settled by exactly one frame, except the last ones of a broken session."""
    lent: set[int] = set()
    settled: Counter[int] = Counter()
    for frame in node.frames:
        if type(frame) is Hello:
            assert max(settled.values(), default=0) <= 1
            lent, settled = set(), Counter()
        elif type(frame) is Deliver:
            lent.update(range(frame.start, frame.stop))
        elif type(frame) is Fin:
            # A finish may be for a message of an earlier session; everything else may not.
            settled.update(n for _, start, stop in frame.spans for n in range(start, stop) if n in lent)
        elif type(frame) in (Req, Return):
            assert isinstance(frame, (Req, Return))
            numbers = range(frame.start, frame.stop)
            assert lent.issuperset(numbers), "requeued what this session had not lent"
            settled.update(numbers)
    assert settled == Counter(lent), "a message was settled twice, or not at all"
