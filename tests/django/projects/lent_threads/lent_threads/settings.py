"""A project whose ASGI_APPLICATION is Django's handler, or what the environment says.

LENT_APPLICATION   the attribute of asgi.py that ASGI_APPLICATION names
LENT_DATABASE      the file of its database
"""

import os

SECRET_KEY = "for tests alone"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = []
ROOT_URLCONF = "lent_threads.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ASGI_APPLICATION = f"lent_threads.asgi.{os.environ.get('LENT_APPLICATION', 'application')}"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("LENT_DATABASE", ":memory:"),
        "CONN_MAX_AGE": 600,
    }
}
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"django": {"level": "CRITICAL"}},
}
