"""``meshq demo``: a mesh at work, and what becomes of its messages when a node is killed."""

from meshq.demo.run import run

__all__ = ["run"]
