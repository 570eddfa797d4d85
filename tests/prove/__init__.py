"""Proofs: what can be searched exhaustively."""
