"""The engine: one node's machines put together, inputs in, effects out.

Composition only: it introduces membership, routing and broker to each other and to the streams, and
holds no protocol rule of its own. Both drivers (asyncio runtime, simulator) run exactly this.
"""

from meshq.engine.engine import Engine

__all__ = ["Engine"]
