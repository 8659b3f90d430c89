"""The only asyncio protocols: an engine, a transport and deadlines around an exchange."""
