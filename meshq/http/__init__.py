"""The HTTP door: nsqd's endpoints on aiohttp, over the public Python API."""

from meshq.http.door import HttpDoor

__all__ = ["HttpDoor"]
