"""Django served by both interfaces. Importing this imports no Django: its modules do.

    handler      Django's ASGI application without the cost of its middleware

A project opts in by the import in its asgi.py; nothing else of Bascule imports what is here.
"""
