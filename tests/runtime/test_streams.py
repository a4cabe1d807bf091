"""TCP streams beyond the conformance suite: what connecting raises, bounds, and the words for errors."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from meshq.errors import Unreachable
from meshq.runtime import streams
from meshq.runtime.streams import TcpStream, connect, reason_of
from tests.runtime.loops import Ear, play, until


async def served(ear: Ear, **options: Any) -> tuple[asyncio.Server, int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: TcpStream(ear, **options), "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, "eof"),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), "refused"),
        (ConnectionResetError(errno.ECONNRESET, ""), "reset"),
        (BrokenPipeError(errno.EPIPE, ""), "reset"),
        (OSError(errno.EHOSTUNREACH, ""), "unreachable"),
        (OSError(errno.ETIMEDOUT, ""), "timeout"),
        (TimeoutError(), "timeout"),
        (socket.gaierror(-2, "no such name"), "unreachable"),
        (OSError(errno.EMFILE, ""), "error"),
        (ValueError(), "error"),
    ],
)
def test_the_systems_errors_have_words(error: BaseException | None, word: str) -> None:
    assert reason_of(error) == word


def test_a_refused_connection_is_unreachable_from_the_systems_error() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=rf"127\.0\.0\.1:{port}: .*refused") as caught:
        play(connect(f"127.0.0.1:{port}", Ear()))
    assert reason_of(caught.value.__cause__) == "refused"


def test_no_answer_in_time_is_unreachable() -> None:
    # A listener with a full backlog, which takes no further connection
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            with pytest.raises(Unreachable, match=r"no answer in 0\.1 s") as caught:
                play(connect(listener.getsockname(), Ear(), timeout_s=0.1))
            assert reason_of(caught.value.__cause__) == "timeout"
        finally:
            for filler in fillers:
                filler.close()


def test_a_stream_is_drained_once_after_it_was_full() -> None:
    async def main() -> None:
        there, here = Ear(), Ear()
        server, port = await served(there)
        stream = await connect(("127.0.0.1", port), here)
        stream.write([b"x" * 20_000_000])
        assert stream.full
        assert stream.buffered_bytes > streams.WRITE_MARK_BYTES
        await until(lambda: here.drains == 1)
        assert not stream.full
        assert stream.buffered_bytes == 0
        await until(lambda: len(there.data) == 20_000_000)
        stream.close()
        await until(lambda: there.reasons == ["eof"])
        server.close()

    play(main())


def test_a_closed_stream_is_given_up_when_its_peer_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LINGER_S", 0.05)

    async def main() -> None:
        gone: list[TcpStream] = []
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            stream = await connect(deaf.getsockname(), Ear(), gone=gone.append)
            stream.write([b"x" * 20_000_000])
            stream.close()
            stream.close()
            stream.write([b"after the end"])
            await until(lambda: gone == [stream])
        assert stream.buffered_bytes == 0
        assert stream.peer == ("", 0)

    play(main())


def test_nagle_is_off_at_both_ends() -> None:
    async def main() -> None:
        accepted: list[TcpStream] = []
        server, port = await served(Ear(), opened=accepted.append)
        dialled = await connect(("127.0.0.1", port), Ear())
        await until(lambda: bool(accepted))
        for stream in (dialled, accepted[0]):
            assert stream._transport is not None
            connection = stream._transport.get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            stream.close(abort=True)
        server.close()

    play(main())


def test_streams_of_one_thread_share_their_read_buffer() -> None:
    assert TcpStream(Ear()).get_buffer(-1) is TcpStream(Ear()).get_buffer(-1)
