"""How an application is called: ASGI or WSGI, written once, for every wire protocol."""
