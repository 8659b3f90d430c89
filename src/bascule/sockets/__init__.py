"""Listening sockets and TLS contexts: where a server is reached, and nothing about its protocols.

bind      opens, describes and closes listening sockets
unix      UNIX sockets: the file at the path decides
systemd   sockets that systemd has opened, and messages to it
inherited sockets that another process of Bascule has opened
names     distinguished names of certificates, as text
tickets   keys of TLS session tickets, the same in all workers
tls       the server's SSLContext and the description of TLS connections for applications;
          imported only when TLS is on, because `ssl` costs memory
"""
