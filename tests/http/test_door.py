"""The HTTP door on a real node, asked over a socket: nsqd's own answers, limits, and who is let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from meshq.client import connect
from meshq.config import BrokerConfig, Config
from meshq.errors import MeshError, Overloaded, RemoteProtocolError, StoreTrouble
from meshq.http import HttpDoor
from meshq.http.door import meaning
from meshq.machine import events
from meshq.node import Node
from tests.http import player

WAIT_S = 10.0


@asynccontextmanager
async def served(**broker: Any) -> AsyncIterator[tuple[Node, str, aiohttp.ClientSession]]:
    """A node with a door, the door's address, and a client of it."""
    door = HttpDoor("127.0.0.1", 0, names=["alias.test"])
    config = Config(name="door", broker=BrokerConfig(**broker))
    node = Node(config=config, bind="127.0.0.1", port=0, doors=[door], loop="shared", drain_timeout_s=0)
    async with node, aiohttp.ClientSession() as session:
        yield node, f"http://127.0.0.1:{door.address[1]}", session


def run(test: Coroutine[Any, Any, None]) -> None:
    """A test on a loop of its own, ended if it hangs."""
    asyncio.run(asyncio.wait_for(test, WAIT_S * 2))


@pytest.mark.parametrize("conversation", player.conversations(), ids=lambda each: str(each["name"]))
def test_nsqds_own_answers(conversation: dict[str, Any]) -> None:
    async def test() -> None:
        async with served() as (_, base, session):
            assert await player.play(session, base, conversation) == []

    run(test())


def test_what_is_published_reaches_a_consumer_byte_for_byte() -> None:
    async def test() -> None:
        async with served() as (node, base, session), node.subscribe("t", "c") as messages:
            whole = bytes(range(256))
            async with session.post(f"{base}/pub?topic=t", data=whole) as response:
                assert (response.status, await response.text()) == (200, "OK")
            async with session.post(f"{base}/mpub?topic=t", data=b"one\n\ntwo\r\n") as response:
                assert response.status == 200
            got = [message.body async for message in _first(messages, 3)]
            assert got == [whole, b"one", b"two\r"]

    run(test())


def test_topics_and_channels_are_paused_and_emptied_as_nsqd_does_it() -> None:
    async def test() -> None:
        async with served() as (node, base, session):

            async def ask(path: str) -> tuple[int, str]:
                async with session.post(f"{base}{path}") as response:
                    return response.status, await response.text()

            async def figures() -> dict[str, Any]:
                async with session.get(f"{base}/stats?format=json&topic=t") as response:
                    found: dict[str, Any] = (await response.json())["topics"][0]
                    return found

            for verb in ("empty", "pause", "unpause"):
                assert await ask(f"/topic/{verb}") == (400, '{"message":"MISSING_ARG_TOPIC"}')
                assert await ask(f"/topic/{verb}?topic=none") == (404, '{"message":"TOPIC_NOT_FOUND"}')
                assert await ask(f"/channel/{verb}?topic=none&channel=c") == (404, '{"message":"TOPIC_NOT_FOUND"}')
            assert await ask("/topic/empty?topic=bad$") == (400, '{"message":"INVALID_TOPIC"}')
            assert await ask("/channel/pause?topic=t") == (400, '{"message":"MISSING_ARG_CHANNEL"}')
            await node.publish("t", b"kept for the first channel")
            assert await ask("/topic/empty?topic=t") == (200, "")
            await node.create("t", "c")
            assert await ask("/channel/empty?topic=t&channel=d") == (404, '{"message":"CHANNEL_NOT_FOUND"}')
            await node.publish("t", b"one")
            assert (await figures())["channels"][0]["depth"] == 1
            assert await ask("/topic/pause?topic=t") == (200, "")
            assert await ask("/channel/pause?topic=t&channel=c") == (200, "")
            assert ((await figures())["paused"], (await figures())["channels"][0]["paused"]) == (True, True)
            assert await ask("/topic/unpause?topic=t") == (200, "")
            assert ((await figures())["paused"], (await figures())["channels"][0]["paused"]) == (False, True)
            assert await ask("/topic/empty?topic=t") == (200, "")  # its channels keep what they have
            assert (await figures())["channels"][0]["depth"] == 1
            assert await ask("/channel/empty?topic=t&channel=c") == (200, "")
            assert (await figures())["channels"][0]["depth"] == 0
            assert await ask("/channel/unpause?topic=t&channel=c") == (200, "")
            async with node.subscribe("t", "c") as messages, node.subscribe("t", "d#ephemeral"):
                await node.publish("t", b"two")
                assert [message.body async for message in _first(messages, 1)] == [b"two"]
                assert await ask("/channel/pause?topic=t&channel=d%23ephemeral") == (404, '{"message":"NOT_FOUND"}')

    run(test())


def test_a_compressed_body_is_as_opaque_as_any() -> None:
    async def test() -> None:
        async with served() as (node, base, session), node.subscribe("t", "c") as messages:
            headers = {"Content-Encoding": "gzip"}
            async with session.post(f"{base}/pub?topic=t", data=b"\x1f\x8bnot gzip", headers=headers) as response:
                assert response.status == 200
            assert [message.body async for message in _first(messages, 1)] == [b"\x1f\x8bnot gzip"]

    run(test())


def test_a_deferred_message_counts_as_deferred() -> None:
    async def test() -> None:
        async with served() as (node, base, session), node.subscribe("t", "c"):
            async with session.post(f"{base}/pub?topic=t&defer=60000", data=b"later") as response:
                assert response.status == 200
            async with session.get(f"{base}/stats?format=json&topic=t") as response:
                channel = (await response.json())["topics"][0]["channels"][0]
            assert (channel["deferred_count"], channel["in_flight_count"]) == (1, 0)

    run(test())


def test_a_time_to_live_and_an_id_may_be_given() -> None:
    async def test() -> None:
        async with served() as (node, base, session):
            for path in ("pub?topic=t&id=1", "pub?topic=t&id=1", "mpub?topic=t&id=2", "mpub?topic=t&id=2"):
                async with session.post(f"{base}/{path}", data=b"x") as response:
                    assert response.status == 200
            (topic,) = (await node.stats())["topics"]
            assert topic["messages"] == 2
            async with session.post(f"{base}/pub?topic=short&ttl=1", data=b"x") as response:
                assert response.status == 200
            async with asyncio.timeout(WAIT_S):
                while not (await node.stats())["counters"]["broker"]["expired"]:
                    pass
            for query, code in (("ttl=-1", "INVALID_TTL"), ("ttl=x", "INVALID_TTL"), (f"id={'x' * 200}", "MSG_BAD_ID")):
                async with session.post(f"{base}/pub?topic=t&{query}", data=b"x") as response:
                    assert (response.status, (await response.json())["message"]) == (400, code)

    run(test())


def test_level_key_priority_and_channels_may_be_given_and_are_refused_by_name() -> None:
    async def test() -> None:
        async with served() as (node, base, session), node.subscribe("t", "c") as messages, node.subscribe("t", "d"):
            for path in ("pub?topic=t&priority=3", "mpub?topic=t&key=k&channels=c", "pub?topic=t&level=memory&other=1"):
                async with session.post(f"{base}/{path}", data=path.encode()) as response:
                    assert response.status == 200
            async for _ in _first(messages, 3):
                pass
            (topic,) = (await node.stats())["topics"]
            assert {each["channel"]: each["depth"] for each in topic["channels"]}["d"] <= 2
            for query, code in (
                ("level=foo", "INVALID_LEVEL"),
                ("level=disk", "LEVEL_UNAVAILABLE"),
                ("priority=4", "INVALID_PRIORITY"),
                (f"key={'x' * 200}", "MSG_BAD_KEY"),
                ("channels=", "INVALID_CHANNEL"),
            ):
                async with session.post(f"{base}/pub?topic=t&{query}", data=b"x") as response:
                    assert (response.status, (await response.json())["message"]) == (400, code)

    run(test())


def test_concurrent_requests_share_batches() -> None:
    async def test() -> None:
        async with served() as (node, base, session):
            bodies = [b"%d" % number for number in range(200)]

            async def post(body: bytes) -> int:
                async with session.post(f"{base}/pub?topic=t", data=body) as response:
                    return response.status

            assert set(await asyncio.gather(*map(post, bodies))) == {200}
            async with node.subscribe("t", "c") as messages:
                leases = messages.leases()
                got: list[bytes] = []
                batches = 0
                while len(got) < 200:
                    lease = await anext(leases)
                    lease.finish()
                    got += lease.bodies
                    batches += 1
            assert sorted(got) == sorted(bodies)
            assert batches < 200

    run(test())


def test_a_full_node_answers_503_full_and_goes_on_when_there_is_room() -> None:
    async def test() -> None:
        async with served(memory_bytes_max=100_000) as (node, base, session):
            statuses = []
            for _ in range(6):
                async with session.post(f"{base}/pub?topic=t", data=b"x" * 30_000) as response:
                    statuses.append((response.status, await response.text()))
                if response.status == 503:
                    break
            assert statuses[-1] == (503, '{"message":"FULL"}')
            async with node.subscribe("t", "c") as messages:
                async for message in _first(messages, len(statuses) - 1):
                    message.finish()
                async with session.post(f"{base}/pub?topic=t", data=b"x") as response:
                    assert response.status == 200

    run(test())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoreTrouble("database or disk is full"), (503, "STORE")),
        (Overloaded("full", limit="memory_bytes_max"), (503, "FULL")),
        (Overloaded("leaving", code="DRAINING"), (503, "EXITING")),
        (Overloaded("at once", limit="messages_max", code="EXCEEDS"), (413, "EXCEEDS")),
        (MeshError("a fault"), (500, "INTERNAL_ERROR")),
    ],
)
def test_what_a_node_refuses_has_a_status_and_a_name_of_its_own(error: MeshError, said: tuple[int, str]) -> None:
    assert meaning(error) == said


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Host": "evil.example"}, "HOST_NOT_ALLOWED"),
        ({"Origin": "http://evil.example"}, "ORIGIN_NOT_ALLOWED"),
        ({"Origin": "null"}, "ORIGIN_NOT_ALLOWED"),
    ],
)
def test_a_browser_on_a_foreign_page_is_refused_and_nothing_is_published(headers: dict[str, str], said: str) -> None:
    async def test() -> None:
        async with served() as (_, base, session):
            async with session.post(f"{base}/pub?topic=t", data=b"x", headers=headers) as response:
                assert response.status == 403
                assert said in (await response.json())["message"]
            async with session.get(f"{base}/stats?format=json") as response:
                assert (await response.json())["topics"] == []

    run(test())


@pytest.mark.parametrize("host", ["localhost", "door", "alias.test:4151", "192.168.1.1"])
def test_the_names_of_the_node_are_let_in(host: str) -> None:
    async def test() -> None:
        async with served() as (_, base, session), session.get(f"{base}/ping", headers={"Host": host}) as response:
            assert response.status == 200

    run(test())


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff" * 2000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /pub?topic=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /pub?topic=t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /ping HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /ping HTTP/1.1\r\n\r\n",
        b"POST /pub?topic=t HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"POST /pub?topic=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhung up",
        b"  V2",
    ],
)
def test_bytes_that_are_no_http_cost_their_sender_the_connection_and_the_node_a_line(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with served() as (_, base, session):
            for _ in range(2):
                await _raw(base, sent)
            async with session.get(f"{base}/ping") as response:
                assert response.status == 200

    run(test())
    assert len(caplog.records) <= 1
    assert all(record.levelname == "WARNING" and not record.exc_info for record in caplog.records)


def test_the_http_port_given_as_a_mesh_port_is_said_to_be_none() -> None:
    async def test() -> None:
        async with served() as (_, base, _session):
            address = base.removeprefix("http://")
            with pytest.raises(RemoteProtocolError, match=f"{address}: no mesh port"):
                await connect(address)
            told: asyncio.Queue[events.SeedFailed] = asyncio.Queue()
            node = Node([address], bind="127.0.0.1", port=0, loop="shared", drain_timeout_s=0, on_event=_seeds(told))
            joining = asyncio.ensure_future(node.__aenter__())
            assert "no mesh port" in (await told.get()).reason
            joining.cancel()
            await asyncio.wait((joining,))

    run(test())


def _seeds(told: asyncio.Queue[events.SeedFailed]) -> Callable[[events.Event], None]:
    return lambda event: told.put_nowait(event) if isinstance(event, events.SeedFailed) else None


def test_a_body_announced_too_big_is_refused_before_it_is_read() -> None:
    async def test() -> None:
        async with served() as (_, base, _session):
            head = b"POST /mpub?topic=t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
            answer = await _raw(base, head, half_close=False)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b'{"message":"BODY_TOO_BIG"}')

    run(test())


def test_a_connection_too_many_is_told_so_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshq.http.door.CONNECTIONS_MAX", 2)

    async def test() -> None:
        async with served() as (_, base, _session):
            host, port = base.removeprefix("http://").split(":")
            held = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
            for reader, writer in held:  # answered, so that both are known to be counted
                writer.write(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert (await _raw(base, b"", half_close=False)).startswith(b"HTTP/1.1 503 ")
            for _, writer in held:
                writer.close()

    run(test())


async def _raw(base: str, sent: bytes, *, half_close: bool = True) -> bytes:
    """Everything that comes back for these bytes until the other side closes."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        if half_close:
            writer.write_eof()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def _first(messages: Any, count: int) -> AsyncIterator[Any]:
    for _ in range(count):
        async with asyncio.timeout(WAIT_S):
            message = await anext(messages)
        message.finish()
        yield message
