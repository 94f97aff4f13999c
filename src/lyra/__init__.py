"""Lyra: a chat assistant that already knows what you listen to."""

__version__ = "0.1.0"
