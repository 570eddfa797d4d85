"""Simulates meshes of the very code that the daemon runs, in virtual time."""
