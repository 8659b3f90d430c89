"""A project whose settings make it hard to tell the side of a request.

HYBRID_ATOMIC   1: ATOMIC_REQUESTS
HYBRID_SCRIPT   FORCE_SCRIPT_NAME
"""

import os

SECRET_KEY = "for tests alone"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = []
ROOT_URLCONF = "hybrid_edges.urls"
MIDDLEWARE = [
    "hybrid_edges.middleware.tell_side",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "hybrid_edges.middleware.swap_urlconf",
]
WSGI_APPLICATION = "hybrid_edges.wsgi.application"
ASGI_APPLICATION = "hybrid_edges.asgi.application"
FORCE_SCRIPT_NAME = os.environ.get("HYBRID_SCRIPT")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        "ATOMIC_REQUESTS": os.environ.get("HYBRID_ATOMIC") == "1",
    }
}
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "français")]
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"django": {"level": "CRITICAL"}},
}
BASCULE = {
    "THREADS": 3,
    "server_header": False,
    "DJANGO_INTERFACE": {"/ruled/to-threads/": "wsgi", r"^/ruled/[a-z]+-loop/$": "asgi"},
}
