"""Development: `bascule dev`, and what `manage.py runserver` shares with it.

reloader       starts the server again when a file changes
watch          which files have changed
link           the connection between the reloader and its server
failure_page   what browsers get when the code does not start

A process that serves without a reloader imports nothing of this package.
"""
