"""Listening sockets and TLS contexts: where a server is reached, nothing about what it says.

bind      opens, describes and closes listening sockets
unix      UNIX sockets: what lies at the path decides
systemd   sockets that systemd has opened, and what it is told
inherited sockets that another process of Bascule has opened
names     distinguished names of certificates, as text
tickets   keys of TLS session tickets, the same in all workers
tls       the server's SSLContext and what applications are told about a TLS connection;
          imported only when TLS is on, because `ssl` costs memory
"""
