"""Five nodes in five network namespaces of this host, joined by a bridge, and nftables at each.

    python -m tests.endtoend.netns --loss 60 --cut 180 --no-udp 60

plays the long form by hand; ``test_netns`` plays a short one. Both publish at two nodes and consume at two others the
whole time, and say what was lost (nothing) and which views were wrong. Linux, root, ``ip`` and ``nft`` are needed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from meshq.launcher import JOIN, Launcher, NodeProcess

NODES: Final = ("n1", "n2", "n3", "n4", "n5")
NETWORK: Final = "10.88.0."
PORT: Final = 4155
STARTED: Final = (sys.executable, "-m", "meshq")
PUBLISH_EVERY_S: Final = 0.02
SETTLE_S: Final = 60.0
ALIVE: Final = ("MemberJoined", "MemberRecovered")
MEMBER_EVENTS: Final = (*ALIVE, "MemberSuspected", "MemberFailed", "MemberLeft")
NO_DATAGRAMS: Final = ["meta l4proto udp drop"]


def why_not() -> str:
    """Why namespaces can't be had here; empty when they can."""
    missing = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found: install iproute2 and nftables"
    if os.geteuid() != 0:
        return "network namespaces are root's to make"
    try:
        with Switch(NODES[:1]) as switch, switch.fault(["numgen random mod 100 < 5 drop"]):
            return ""
    except subprocess.CalledProcessError as exc:
        return f"network namespaces can't be made here: {exc.stderr.strip()}"


class Switch:
    """A bridge in a namespace of its own, with a namespace for each node; all are gone when it is left."""

    def __init__(self, names: tuple[str, ...] = NODES) -> None:
        self._names = names
        self._prefix = f"mq{os.getpid()}"
        self._faults = 0
        self._bridge = f"{self._prefix}sw"

    def __enter__(self) -> Self:
        try:
            _do("ip", "netns", "add", self._bridge)
            _do("ip", "-n", self._bridge, "link", "add", "br0", "type", "bridge")
            _do("ip", "-n", self._bridge, "link", "set", "br0", "up")
            for name in self._names:
                self._plug(name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the namespaces, and with them the interfaces between them."""
        for namespace in (*(self.namespace(name) for name in self._names), self._bridge):
            subprocess.run(("ip", "netns", "del", namespace), capture_output=True, check=False)

    def namespace(self, name: str) -> str:
        """The namespace of a node."""
        return f"{self._prefix}{name}"

    def host(self, name: str) -> str:
        """The address of a node."""
        return f"{NETWORK}{self._names.index(name) + 1}"

    def inside(self, name: str) -> tuple[str, ...]:
        """What a command begins with that is to run at a node."""
        return ("ip", "netns", "exec", self.namespace(name))

    @contextmanager
    def fault(self, rules: list[str], *names: str) -> Iterator[None]:
        """Rules of nftables for what comes in at these nodes (all, if none is named), until it is left."""
        self._faults += 1
        table = f"fault{self._faults}"
        chain = "{ type filter hook input priority 0; }"
        script = [f"add table inet {table}", f"add chain inet {table} in {chain}"]
        script += [f'add rule inet {table} in iifname "eth0" {rule}' for rule in rules]
        at = names or self._names
        for name in at:
            _do(*self.inside(name), "nft", "\n".join(script))
        try:
            yield
        finally:
            for name in at:
                _do(*self.inside(name), "nft", f"delete table inet {table}")

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """Nothing passes between two nodes."""
        with (
            self.fault([f"ip saddr {self.host(other)} drop"], one),
            self.fault([f"ip saddr {self.host(one)} drop"], other),
        ):
            yield

    def _plug(self, name: str) -> None:
        namespace, port = self.namespace(name), f"port-{name}"
        _do("ip", "netns", "add", namespace)
        peer = ("peer", "name", port, "netns", self._bridge)
        _do("ip", "link", "add", "eth0", "netns", namespace, "type", "veth", *peer)
        _do("ip", "-n", self._bridge, "link", "set", port, "master", "br0", "up")
        _do("ip", "-n", namespace, "addr", "add", f"{self.host(name)}/24", "dev", "eth0")
        for interface in ("lo", "eth0"):
            _do("ip", "-n", namespace, "link", "set", interface, "up")


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)


class Traffic:
    """Numbers published at some nodes, and who has consumed which; from its start until ``finish``."""

    def __init__(self, switch: Switch, publishers: tuple[str, ...], consumers: tuple[str, ...]) -> None:
        self._switch = switch
        self.consumed: set[bytes] = set()
        self.published = 0
        self._over = threading.Event()
        self._subs = [self._client(name, "sub", "t", "c") for name in consumers]
        self._pubs = [self._client(name, "pub", "t", "-") for name in publishers]
        self._threads = [threading.Thread(target=self._read, args=(sub,), daemon=True) for sub in self._subs]
        self._threads.append(threading.Thread(target=self._write, daemon=True))
        for thread in self._threads:
            thread.start()

    def finish(self) -> str:
        """Publish no more and wait for what is under way; what is wrong, or nothing."""
        self._over.set()
        self._threads[-1].join()
        wrong = ""
        for pub in self._pubs:
            said, _ = pub.communicate(timeout=SETTLE_S)
            if pub.returncode != 0:
                wrong += f"a publisher ended with status {pub.returncode}: {said.decode().strip()}\n"
        until(lambda: len(self.consumed) >= self.published, SETTLE_S)
        missing = self.published - len(self.consumed)
        return wrong + (f"{missing} of {self.published} messages were lost\n" if missing else "")

    def close(self) -> None:
        """End the clients that still run."""
        self._over.set()
        clients = (*self._pubs, *self._subs)
        for client in clients:
            client.kill()
            client.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (pipe for client in clients for pipe in (client.stdin, client.stdout)):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _client(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        node = f"{self._switch.host(name)}:{PORT}"
        command = (*self._switch.inside(name), *STARTED, *arguments, "--node", node)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _read(self, sub: subprocess.Popen[bytes]) -> None:
        assert sub.stdout is not None
        for line in sub.stdout:
            if line.strip().isdigit():
                self.consumed.add(line)

    def _write(self) -> None:
        while not self._over.wait(PUBLISH_EVERY_S):
            pub = self._pubs[self.published % len(self._pubs)]
            assert pub.stdin is not None
            pub.stdin.write(b"%d\n" % self.published)
            pub.stdin.flush()
            self.published += 1


@dataclass
class Stage:
    """The nodes, the network and the traffic of one run."""

    switch: Switch
    nodes: list[NodeProcess]
    traffic: Traffic

    def views(self) -> str:
        """Which node holds which other not alive, by what it told last of it; nothing when all hold all alive."""
        wrong = ""
        for node in self.nodes:
            last = {event["name"]: event["event"] for event in node.said() if event["event"] in MEMBER_EVENTS}
            wrong += "".join(f"{node.name}: {event} {name}\n" for name, event in last.items() if event not in ALIVE)
            wrong += "".join(f"{node.name} never knew {name}\n" for name in NODES if name not in (node.name, *last))
        return wrong

    def told(self, kind: str) -> list[tuple[str, dict[str, Any]]]:
        """Events of one kind, with the node that told them."""
        return [(node.name, event) for node in self.nodes for event in node.said() if event["event"] == kind]


@contextmanager
def mesh() -> Iterator[Stage]:
    """Five nodes that know each other, under traffic; n1 and n3 publish, n2 and n4 consume."""
    with ExitStack() as stack:
        switch = stack.enter_context(Switch())
        nodes: list[NodeProcess] = []
        for name in NODES:
            command = (*switch.inside(name), *JOIN)
            launcher = stack.enter_context(Launcher(command=command, bind=switch.host(name)))
            seeds = () if name == "n1" else (f"{switch.host('n1')}:{PORT}",)
            nodes.append(launcher.start(name, *seeds, port=PORT, http_port=4151, wait=name == "n1"))
        for node in nodes:
            node.wait_ready()
        for node in nodes:
            for other in NODES:
                if other != node.name:
                    node.wait_event(lambda e, other=other: e["event"] == "MemberJoined" and e["name"] == other)  # type: ignore[misc]
        traffic = Traffic(switch, ("n1", "n3"), ("n2", "n4"))
        stack.callback(traffic.close)
        until(lambda: len(traffic.consumed) > 10, SETTLE_S)
        yield Stage(switch, nodes, traffic)


def until(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether the condition came to hold in time."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def play(loss_s: float, cut_s: float, no_udp_s: float, say: Callable[[str], object] = lambda _: None) -> str:
    """5 % of loss, then a link cut, then no UDP, each for so long; what was wrong, in words, or nothing."""
    with mesh() as stage:
        wrong = ""
        courses = (
            ("5 % loss", loss_s, stage.switch.fault(["numgen random mod 100 < 5 drop"])),
            ("n1 and n2 cut", cut_s, stage.switch.cut("n1", "n2")),
            ("no UDP", no_udp_s, stage.switch.fault(NO_DATAGRAMS)),
        )
        for what, for_s, fault in courses:
            with fault:
                time.sleep(for_s)
                views = stage.views()
            wrong += "".join(f"{what}: {line}\n" for line in views.splitlines())
            say(f"{what} for {for_s:g} s: {views.strip() or 'all views right'}; {stage.traffic.published:,} published")
        wrong += stage.traffic.finish()
        wrong += stage.views()
        for name, event in stage.told("MemberFailed"):
            wrong += f"{name} held {event['name']} dead\n"
        for kind in ("MemberSuspected", "Trouble"):
            say(f"{kind}: {len(stage.told(kind))}")
        for name, event in stage.told("Trouble"):
            say(f"  {name}: {event['text']}")
        say(f"{stage.traffic.published:,} published, {len(stage.traffic.consumed):,} consumed")
        return wrong


def main() -> int:
    """The long form, by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", type=float, default=60.0, help="seconds of 5 %% loss")
    parser.add_argument("--cut", type=float, default=180.0, help="seconds for which one link is cut")
    parser.add_argument("--no-udp", type=float, default=60.0, help="seconds without UDP")
    asked = parser.parse_args()
    if reason := why_not():
        print(reason)
        return 1
    wrong = play(asked.loss, asked.cut, asked.no_udp, print)
    print(wrong or "views right, nothing lost")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
