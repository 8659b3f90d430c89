"""Hypercorn's settings that have no flag: else it ends each connection after 1,000 requests, which
h2load counts as errors."""

keep_alive_max_requests = 1_000_000_000
