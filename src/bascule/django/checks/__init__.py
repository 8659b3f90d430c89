"""System checks: settings and code of a project that do not suit Bascule, or cost more than they
seem.

    settings      BASCULE, INSTALLED_APPS
    middleware    middleware in front of views of the other side
    databases     transactions, persistent connections, pools
    deployment    trust in clients, several processes

Each has an identifier that never changes, and a section in docs/reference/checks.md. A check is
silent where it cannot decide, and where Django itself reports the fault. It assumes
`bascule serve` with both sides, and knows Bascule's settings from the project and the environment,
but not from a settings file or the command line.

Imports are within functions: every command of manage.py imports these modules, and few run checks.
"""

from django.core.checks import Tags, register

from bascule.django.checks.databases import (
    check_atomic_requests,
    check_persistent_connections,
    check_pools,
)
from bascule.django.checks.deployment import (
    check_channel_layers,
    check_endless_redirect,
    check_header_of_scheme,
    check_trust_in_everybody,
)
from bascule.django.checks.messages import SystemCheck
from bascule.django.checks.middleware import (
    check_async_only_middleware,
    check_hooks_in_threads,
    check_sync_only_middleware,
)
from bascule.django.checks.settings import check_bascule_setting, check_order, check_rules

CHECKS: tuple[tuple[SystemCheck, str], ...] = (
    (check_bascule_setting, Tags.compatibility),
    (check_order, Tags.compatibility),
    (check_atomic_requests, Tags.async_support),
    (check_sync_only_middleware, Tags.async_support),
    (check_hooks_in_threads, Tags.async_support),
    (check_async_only_middleware, Tags.async_support),
    (check_persistent_connections, Tags.async_support),
    (check_pools, Tags.async_support),
    (check_rules, Tags.urls),
)
DEPLOYMENT_CHECKS: tuple[tuple[SystemCheck, str], ...] = (
    (check_channel_layers, Tags.async_support),
    (check_header_of_scheme, Tags.security),
    (check_trust_in_everybody, Tags.security),
    (check_endless_redirect, Tags.security),
)


def register_checks() -> None:
    """Have `manage.py check` run them."""
    for check, tag in CHECKS:
        register(check, "bascule", tag)
    for check, tag in DEPLOYMENT_CHECKS:
        register(check, "bascule", tag, deploy=True)
