"""The asyncio driver: the only floor that touches sockets, clocks, entropy, threads and tasks.

Decides nothing about messages or members; carries inputs to an engine and its effects out.
"""
