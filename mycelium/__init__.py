"""Mycelium: a self-healing, end-to-end encrypted IPv6 mesh overlay network."""

__version__ = "0.1.0"
