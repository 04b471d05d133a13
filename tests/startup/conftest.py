"""The fixtures of node.py, for every test of this folder."""

from tests.startup.node import node, stubs

__all__ = ["node", "stubs"]
