"""Checks of `manage.py check --deploy`: trust in clients, and what several processes need."""

import re

from django.conf import settings
from django.core.checks import Warning

from bascule.django.checks.messages import Messages, cautious, enumeration, message
from bascule.django.checks.settings import raw, value_of

# The fields that Bascule removes from all requests but those of trusted proxies.
REMOVED_FIELDS = frozenset(
    {
        "HTTP_FORWARDED",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_PREFIX",
        "HTTP_X_FORWARDED_PROTO",
    }
)
IN_MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"


@cautious
def check_channel_layers() -> Messages:
    """W008: a layer in memory, which ends at the thread and at the process."""
    layers = [
        alias
        for alias, one in getattr(settings, "CHANNEL_LAYERS", {}).items()
        if one.get("BACKEND") == IN_MEMORY_LAYER
    ]
    if layers:
        yield message(
            Warning,
            "W008",
            f"CHANNEL_LAYERS has {enumeration(map(repr, layers))} in memory. A message of a sync "
            "view comes from another thread, for which that layer is not made: consumers may "
            "hear of it late. Those in another process never do.",
            "Use a layer outside the process, such as channels_redis.",
        )


@cautious
def check_header_of_scheme() -> Messages:
    """W009: a field decides on the scheme that clients can send."""
    header = scheme_header()
    if header is None:
        return
    if header not in REMOVED_FIELDS:
        yield message(
            Warning,
            "W009",
            f"SECURE_PROXY_SSL_HEADER names {header}, which Bascule passes on from every client: "
            "where the proxy does not set or remove it, a client can say that it came by https.",
            "Use X-Forwarded-Proto, which is removed unless a trusted proxy sends it; or make "
            "sure that the proxy sets this one in every request, and that no client bypasses it.",
        )
    elif value_of("proxy_headers") is False:
        yield message(
            Warning,
            "W009",
            f"SECURE_PROXY_SSL_HEADER names {header}, and proxy_headers is off: every client of "
            "the server can say that it came by https.",
            "Turn proxy_headers on, and name the proxies in forwarded_allow_ips.",
        )


@cautious
def check_trust_in_everybody() -> Messages:
    """W010: Django uses forwarding headers, and Bascule accepts them from every client."""
    if not trusts_everybody():
        return
    header = scheme_header()
    believing = [
        *(["SECURE_PROXY_SSL_HEADER"] if header in REMOVED_FIELDS else []),
        *(
            name
            for name in ("USE_X_FORWARDED_HOST", "USE_X_FORWARDED_PORT")
            if getattr(settings, name, False)
        ),
    ]
    if believing:
        yield message(
            Warning,
            "W010",
            f"forwarded_allow_ips is *, and Django uses forwarding headers by "
            f"{enumeration(believing)}: every client that can connect chooses the scheme or the "
            "host.",
            "Name the addresses of the proxies; * is for servers that only they can reach, "
            "such as one on a UNIX socket.",
        )


@cautious
def check_endless_redirect() -> Messages:
    """W011: every request is redirected to https, where it is taken for http again."""
    if (
        settings.SECURE_SSL_REDIRECT
        and any(path.endswith(".SecurityMiddleware") for path in settings.MIDDLEWARE)
        and scheme_header() is None
        and not value_of("proxy_headers")
        and value_of("ssl_certfile") is None
    ):
        yield message(
            Warning,
            "W011",
            "SECURE_SSL_REDIRECT is on, and nothing tells that a request has come by https: "
            "neither a certificate (ssl_certfile), nor a proxy (proxy_headers), nor "
            "SECURE_PROXY_SSL_HEADER. Every request is redirected, to where it is redirected "
            "again.",
            "Set one of them. If it is set on the command line or in a settings file, which "
            "this check does not read, silence it.",
        )


def scheme_header() -> str | None:
    said = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    return str(said[0]) if said else None


def trusts_everybody() -> bool:
    """Whether forwarded_allow_ips has a *, in any way to write it."""
    from bascule.settings import OPTIONS

    if "forwarded_allow_ips" not in OPTIONS or value_of("proxy_headers") is False:
        return False
    said = raw("forwarded_allow_ips")
    peers = re.split(r"[\s,]+", said) if isinstance(said, str) else said
    return isinstance(peers, list | tuple | set) and "*" in peers
