"""Processes that watch over those that serve: over workers, and in development over reloads."""
