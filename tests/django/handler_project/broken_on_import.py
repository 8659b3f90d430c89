"""A module of a cache that nobody uses."""

raise RuntimeError("on purpose")
