"""The keys of a node: the ring as it is now, what seals by it, and what may be done to it.

Decides that a node without keys has nothing of all this: it sends and takes plain bytes, and loads no cipher. A change
is one of three verbs, kept in the key file at once; that all nodes make it in the right order is for whoever asks them
all (``meshq.client.keys``). A key is told to a stream only that is sealed itself. Streams that a removed key had sealed
end some seconds later: whoever has that key has nothing of them any more, and the answers on their way are through.
Names of removed keys are told to peers in every sealed hello, so that a node that was away drops them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from meshq.config import Config
from meshq.errors import ConfigError, RemoteProtocolError
from meshq.link.guard import Guard
from meshq.machine import events
from meshq.machine.effects import Address, Effect, KeepKeys
from meshq.membership.addresses import loopback, numeric
from meshq.wire.keyring import PLAIN, REMOVED_MAX, Keyring, Secrecy, read_key
from meshq.wire.prefix import Datagrams, Prefix

CUT_S: Final = 5.0
"""How long streams outlive the key that sealed them: longer than whoever had it removed waits to hear who did so."""
REFUSALS_MAX: Final = 1024
"""Addresses at which a key was refused; of further ones the oldest is forgotten: it begins with the key in use."""
KEY_NAME_MAX: Final = 16
CHANGES: Final = ("keys_add", "keys_use", "keys_remove")
"""Questions that only a sealed stream may ask, or be asked over."""


class Keys:
    """``ring`` is None at a node without keys."""

    def __init__(
        self, config: Config, secrecy: Secrecy | None, out: list[Effect], emit: Callable[[events.Event], None]
    ) -> None:
        self._secrecy = secrecy
        self._out = out
        self._emit = emit
        self.on_cut: Callable[[float], None]
        """Told when streams that are barred now are to end."""
        self._lingering: dict[str, float] = {}
        """Until when streams of a removed key go on, by its name."""
        self._refusals: dict[Address, int] = {}
        self.datagrams: Datagrams = Prefix(config.label)
        if secrecy is not None:
            from meshq.wire.sealing import Sealing  # the ciphers: 18 ms and 9 MB, for who has a key

            self._sealing = Sealing(config.label, secrecy, senders_max=config.membership.senders_max)
            self.datagrams = self._sealing
        self.kinds: dict[str, Callable[[float, dict[str, Any]], Any]] = {
            "keys": self.told,
            "keys_add": self.add,
            "keys_use": self.use,
            "keys_remove": self.remove,
        }

    @property
    def ring(self) -> Keyring | None:
        """The keys, the one in use first."""
        return self._secrecy.ring if self._secrecy is not None else None

    def dialling(self, to: Address) -> Guard | None:
        """What seals a stream that this node dials: the key in use, or after a refusal there the next of the ring.

        A node that was away while others began to use a key can so be reached, and given it.
        """
        secrecy = self._secrecy
        if secrecy is None:
            return None
        keys = secrecy.ring.keys
        key = keys[self._refusals.get(to, 0) % len(keys)]
        if key == PLAIN:
            return None
        from meshq.link.secure import DiallerGuard

        return DiallerGuard(key, secrecy.entropy)

    def turned_away(self, to: Address) -> None:
        """Who was dialled there wants another key."""
        refusals = self._refusals.pop(to, 0)
        if len(self._refusals) >= REFUSALS_MAX:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[to] = refusals + 1

    def has_another(self, to: Address) -> bool:
        """Whether not all keys of the ring have been turned away there in this round of them."""
        ring = self.ring
        return ring is not None and self._refusals.get(to, 0) % len(ring.keys) > 0

    def accepting(self, host: str) -> Guard | None:
        """What opens a stream that came from ``host``: any key; plain streams are taken from this host."""
        secrecy = self._secrecy
        if secrecy is None:
            return None
        from meshq.link.secure import AcceptorGuard

        return AcceptorGuard(secrecy, takes_plain=secrecy.ring.takes_plain or is_local(host))

    def bars(self, role: str, key: str, host: str) -> bool:
        """Whether a stream whose peer at ``host`` has that role, sealed with ``key`` or not at all, may not be."""
        ring = self.ring
        if ring is None or (not key and ring.takes_plain):
            return False
        return ring.find(key) is None if key else role != "client" or not is_local(host)

    def lingers(self, key: str) -> bool:
        """Whether a stream that this key seals, or none, may go on for a while though the key was removed."""
        return (key or PLAIN.name) in self._lingering

    def allows(self, kind: str, role: str, key: str) -> bool:
        """Whether a stream may carry such a question; between nodes that still speak in plain, any but a key itself."""
        return kind not in CHANGES or bool(key) or (role == "node" and kind != "keys_add")

    @property
    def removed(self) -> list[str]:
        """The names of the keys that this mesh has removed, as far as they are known here."""
        return list(self.ring.removed) if self.ring is not None else []

    def heard_removed(self, now: float, names: Any, sealed_by: str) -> None:
        """A peer, over a stream that this key seals, says which keys the mesh has removed: they go here too."""
        ring = self.ring
        if ring is None or not isinstance(names, list) or not all(type(name) is str for name in names):
            return
        after = ring.after([name[:KEY_NAME_MAX] for name in names[-REMOVED_MAX:]], sealed_by)
        self._change(now, after)

    # what may be asked

    def told(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """The names of this node's keys, the one in use first; of the keys themselves nothing."""
        return {"keys": [key.name for key in self.ring.keys] if self.ring is not None else []}

    def add(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take what is sealed with one more key. Raises ConfigError, as the others do: nothing has changed then."""
        text = arguments.get("key")
        if type(text) is not str:
            raise RemoteProtocolError("key is a text", code="BAD_ARGUMENT")
        return self._change(now, self._have().add(read_key(text)))

    def use(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Seal what is sent with the key of that name."""
        return self._change(now, self._have().use(_name(arguments)))

    def remove(self, now: float, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take nothing any more that the key of that name sealed; not the one in use."""
        return self._change(now, self._have().remove(_name(arguments)))

    # when

    def tick(self, now: float) -> None:
        """The streams of a key that was removed have had their time."""
        over = [name for name, until in self._lingering.items() if now >= until]
        for name in over:
            del self._lingering[name]
        if over:
            self.on_cut(now)

    def deadline(self) -> float | None:
        """When ``tick`` has something to do."""
        return min(self._lingering.values(), default=None)

    def _have(self) -> Keyring:
        if self.ring is None:
            raise ConfigError("this node has no keys: start it with --key and a copy of the mesh's key file")
        return self.ring

    def _change(self, now: float, ring: Keyring) -> dict[str, Any]:
        before, secrecy = self._have(), self._secrecy
        assert secrecy is not None, "who has a ring has its entropy"
        if ring != before:
            self._secrecy = secrecy._replace(ring=ring)
            self._sealing.change(ring)
            self._refusals.clear()
            self._keep(ring)
            for key in before.keys:
                if key not in ring.keys:
                    self._lingering[key.name] = now + CUT_S
        return self.told(now, {})

    def _keep(self, ring: Keyring) -> None:
        self._out.append(KeepKeys(ring.text()))
        in_use, *others = (key.name for key in ring.keys)
        self._emit(events.KeysChanged(in_use, ", ".join(others)))


def _name(arguments: dict[str, Any]) -> str:
    name = arguments.get("key")
    if type(name) is not str:
        raise RemoteProtocolError("key is the name of one", code="BAD_ARGUMENT")
    return name


def is_local(host: str) -> bool:
    """Whether a stream is from this host: over its loopback, or (no address at all) from within the process."""
    return not host or (numeric(host) and loopback(host))
