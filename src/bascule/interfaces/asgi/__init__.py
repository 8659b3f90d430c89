"""Calling ASGI applications: HTTP, WebSocket and lifespan."""
