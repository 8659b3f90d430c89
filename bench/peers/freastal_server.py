"""Starts freastal, which has no command line.

python peers/freastal_server.py {asgi,wsgi} MODULE:APP PORT [CERTIFICATE KEY]
"""

import importlib
import sys

import freastal

SERVE = {"asgi": freastal.serve_asgi, "wsgi": freastal.serve}


def main(interface: str, app: str, port: str, *tls: str) -> None:
    module, _, name = app.partition(":")
    sys.path.insert(0, ".")
    application = getattr(importlib.import_module(module), name)
    certificate, key = tls or (None, None)
    SERVE[interface](
        application, host="127.0.0.1", port=int(port), certfile=certificate, keyfile=key
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
