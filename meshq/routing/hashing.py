"""64-bit hashes for comparing sets: XOR of what each element hashes to, kept up with every change.

blake2b and not ``hash()``: every node, every run and every later version must agree.
"""

from __future__ import annotations

from hashlib import blake2b


def hash64(data: bytes) -> int:
    """The hash of one element."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def entry_hash(key: tuple[str, str], consumers: int) -> int:
    """One entry of a node's interest."""
    return hash64(f"{key[0]}\0{key[1]}\0{consumers}".encode())
