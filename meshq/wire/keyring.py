"""The keys of a mesh: how they are written down, under which names they are known, and how a ring of them may change.

    # a comment
    mq1_ki0l...        the first line is in use: what a node sends is sealed with it
    mq1_9bXq...        what is sealed with any of them is taken
    plain              in place of a key: what is not sealed is taken too (and sent so, where it is in use)
    removed 1f0c93aa   the name of a key that this mesh has removed: who was away meanwhile hears of it

A ring is changed in steps that never part two nodes: a key is added everywhere, then used, then the old one removed.
With ``plain`` as the old one the same steps lead from a mesh without keys to one with. A key that was removed stays so:
a node that was away with it drops it as soon as it meets one that was there.

Decides nothing about sealing (``sealing``, ``link.secure``), files (the runtime) or which node has which key.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

from meshq.errors import ConfigError
from meshq.machine.rng import Entropy

SECRET_BYTES: Final = 32
KEYS_MAX: Final = 8
"""Keys of one ring; a rotation needs two."""
REMOVED_MAX: Final = 32
"""Names of removed keys that a ring remembers, the latest."""
PREFIX: Final = "mq1_"
REMOVED: Final = "removed"
NAME_BYTES: Final = 4
WANTED: Final = "this mesh wants a key: use --key with a copy of the mesh's key file"
"""What is said to whoever comes without."""


class Key:
    """One key. ``name`` is what people call it, ``number`` what packets do; neither tells anything of the secret."""

    __slots__ = ("_secret", "name", "number")

    def __init__(self, secret: bytes) -> None:
        """``secret``: 32 bytes of chance; empty for ``PLAIN``."""
        self._secret = secret
        named = blake2b(secret, digest_size=NAME_BYTES, person=b"meshq key name").digest()
        self.name = named.hex() if secret else "plain"
        self.number = 1 + int.from_bytes(named, "big") % 255 if secret else 0

    def __repr__(self) -> str:
        return f"<Key {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other._secret == self._secret

    def derive(self, purpose: bytes) -> bytes:
        """32 bytes for one purpose (at most 16 bytes of text): no two purposes share a key."""
        return blake2b(b"meshq 1", key=self._secret, digest_size=SECRET_BYTES, person=purpose).digest()

    def text(self) -> str:
        """As it is written into a file: the secret itself."""
        return PREFIX + urlsafe_b64encode(self._secret).rstrip(b"=").decode() if self._secret else "plain"


PLAIN: Final = Key(b"")


def read_key(text: str) -> Key:
    """The key that ``text`` is. Raises ConfigError, which never repeats what was written."""
    if text == "plain":
        return PLAIN
    body = text.removeprefix(PREFIX)
    try:
        secret = urlsafe_b64decode(body + "=" * (-len(body) % 4)) if body != text else b""
    except (ValueError, binascii.Error):
        secret = b""
    if len(secret) != SECRET_BYTES or Key(secret).text() != text:
        raise ConfigError(f"no key: one begins with {PREFIX} and is made by `meshq keys generate`")
    return Key(secret)


class Keyring:
    """The keys of one node, the one in use first, and the names of those removed. A value: changes give a new ring."""

    __slots__ = ("keys", "removed")

    def __init__(self, keys: Iterable[Key], removed: Iterable[str] = ()) -> None:
        """Raises ConfigError unless there is a key beside ``PLAIN``, none twice, and not too many."""
        self.keys = tuple(keys)
        self.removed = tuple(dict.fromkeys(removed))[-REMOVED_MAX:]
        numbers = {key.number for key in self.keys}
        if not numbers - {0}:
            raise ConfigError("no key: make one with `meshq keys generate`")
        if len(numbers) < len(self.keys):
            raise ConfigError("two of the keys are the same or have one number: keep one of them, generate another")
        if len(self.keys) > KEYS_MAX:
            raise ConfigError(f"{len(self.keys)} keys; a ring holds {KEYS_MAX}: remove one that nobody uses")

    def __repr__(self) -> str:
        return f"<Keyring {' '.join(key.name for key in self.keys)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyring) and (other.keys, other.removed) == (self.keys, self.removed)

    @property
    def in_use(self) -> Key:
        """What seals whatever is sent; ``PLAIN``: nothing does."""
        return self.keys[0]

    @property
    def own(self) -> Key:
        """What a client seals with, that never speaks in plain: the first real key."""
        return next(key for key in self.keys if key != PLAIN)

    @property
    def takes_plain(self) -> bool:
        """Whether bytes without a seal are taken from anybody."""
        return PLAIN in self.keys

    def find(self, name: str) -> Key | None:
        """The key of that name."""
        return next((key for key in self.keys if key.name == name), None)

    def add(self, key: Key) -> Keyring:
        """With ``key`` accepted as well. Raises ConfigError when it was removed, or the ring has no room for it."""
        if key in self.keys:
            return self
        if key.name in self.removed:
            raise ConfigError(f"key {key.name} was removed from this mesh: generate another")
        return Keyring((*self.keys, key), self.removed)

    def use(self, name: str) -> Keyring:
        """With what is sent sealed by the key of that name. Raises ConfigError when there is none."""
        key = self._known(name)
        return Keyring((key, *(other for other in self.keys if other != key)), self.removed)

    def remove(self, name: str) -> Keyring:
        """Without that key; one that is not there is removed already. Raises ConfigError for the one in use."""
        if name == self.in_use.name:
            raise ConfigError(f"key {name} is in use: use another first (`meshq keys use KEY`)")
        return Keyring((key for key in self.keys if key.name != name), (*self.removed, name))

    def after(self, removed: Iterable[str], sealed_by: str) -> Keyring:
        """Without the keys of these names, which others have removed: so says a peer whose words a key of this ring has
        sealed. That one is used from now on if the one in use is among them; it is no reason to drop itself.
        """
        names = [name for name in removed if name not in self.removed]
        if not names or sealed_by in (*names, *self.removed) or self.find(sealed_by) is None:
            return self
        ring = self.use(sealed_by) if self.in_use.name in names else self
        return Keyring((key for key in ring.keys if key.name not in names), (*self.removed, *names))

    def text(self) -> str:
        """As a file holds it."""
        return "".join([*(f"{key.text()}\n" for key in self.keys), *(f"{REMOVED} {name}\n" for name in self.removed)])

    def _known(self, name: str) -> Key:
        key = self.find(name)
        if key is None:
            raise ConfigError(f"no key {name}: there are {', '.join(each.name for each in self.keys)}")
        return key


class Secrecy(NamedTuple):
    """What who has keys is given: the ring, and chance for nonces and for the keys of single streams."""

    ring: Keyring
    entropy: Entropy


def read_keyring(text: str, where: str) -> Keyring:
    """The ring that ``text`` holds, by lines or commas. Raises ConfigError with the place, never with the text."""
    keys: list[Key] = []
    removed: list[str] = []
    for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        if word.startswith(f"{REMOVED} "):
            removed.append(word.removeprefix(REMOVED).strip())
            continue
        try:
            keys.append(read_key(word))
        except ConfigError as exc:
            raise ConfigError(f"{where}, line {number}: {exc}") from None
    try:
        return Keyring(keys, removed)
    except ConfigError as exc:
        raise ConfigError(f"{where}: {exc}") from None
