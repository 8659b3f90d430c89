"""One serving process: puts loop, sockets, application and connections together, serves,
drains."""
