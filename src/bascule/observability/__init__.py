"""The logs of the server, and the numbers that it publishes.

access    one line for each request, on standard output
logs      the server's own log, on standard error
limiter   the same warning many times becomes one line and a count
banner    the lines that the server logs when it starts
stamps    time as logs write it
sink      output that never makes the server wait for its reader
"""
