"""Crosswords."""
