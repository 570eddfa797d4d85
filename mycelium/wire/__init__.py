"""Bytes to messages and back; holds no state. Written down for other implementations in docs/protocol.md."""
