"""Embedded nodes and thin clients with a key file, on real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

import meshq
from meshq.errors import MeshError
from meshq.runtime.keyfile import new_key, write_key_file
from meshq.wire.keyring import Keyring
from tests.node.meshes import quick_node
from tests.runtime.loops import play


def test_nodes_and_clients_with_the_key_are_one_mesh_and_others_are_not(tmp_path: Path) -> None:
    file, other = tmp_path / "keys", Keyring([new_key()])
    write_key_file(file, Keyring([new_key()]))

    async def main() -> None:
        async with (
            quick_node(name="a", key=file) as a,
            quick_node(a.address, name="b", key=str(file)) as b,
            meshq.connect(a.address, key=file) as client,
            b.subscribe("letters", "readers") as letters,
        ):
            await client.publish("letters", b"sealed")
            async with await anext(aiter(letters)) as message:
                assert message.body == b"sealed"
            assert [member["name"] for member in await b.members()] == ["b", "a"]
            async with meshq.connect(b.address) as bare:
                await bare.topics()
            with pytest.raises(MeshError, match="not known here"):
                await meshq.connect(a.address, key=other)

    play(main())
