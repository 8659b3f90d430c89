"""What the server says about itself and about its work.

access    one line for each request, on standard output
logs      the server's own log, on standard error
limiter   the same warning many times becomes one line and a count
banner    what is shown when the server starts
stamps    time as logs write it
sink      output that never makes the server wait for whoever reads it
"""
