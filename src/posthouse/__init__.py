"""Posthouse: a self-hosted relay for AI model APIs."""

__version__ = "0.1.0"
