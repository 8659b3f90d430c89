"""`bascule migrate`: the configuration of other servers, as settings of Bascule.

    shapes         the data: a setting that was found, its outcome, the table of a server
    conversions    how values are converted; the tables are made of them
    gunicorn, …    one table for each server: every setting, converted or answered
    evaluate       expressions of Python files, without executing them
    shell          command lines: words, variables, the server in them
    files          the kinds of files, and how each is read
    plan           collects what was found, and converts it
    write          bascule.toml, as text
    pages          the tables of the documentation

Nothing is executed, except a configuration file of Gunicorn or Hypercorn with `--execute`.
"""
