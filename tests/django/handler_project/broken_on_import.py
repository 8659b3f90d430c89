"""A module of a cache that is not used."""

raise RuntimeError("on purpose")
