"""Settings for trying the project at home. Variables change those that differ for a real site.

DJANGO_DEBUG           1 (the default here) or 0
DJANGO_SECRET_KEY      required where DJANGO_DEBUG is 0
DJANGO_ALLOWED_HOSTS   more host names, separated by commas
POLLS_DATABASE         path of the SQLite file
POLLS_MEDIA            folder for uploaded pictures
POLLS_REDIS            URL of a Redis, where several processes share the chat
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DJANGO_DEBUG", "1").lower() in {"1", "true", "yes", "on"}

# Sessions and CSRF tokens are signed with this key. The default is public, so any reader of
# this file can forge a login: it is for the demo only, and is refused if DEBUG is off.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "demo-only-and-publicly-known" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("DJANGO_DEBUG is off: put a long random text in DJANGO_SECRET_KEY")

ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]
ALLOWED_HOSTS += [name for name in os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",") if name]

INSTALLED_APPS = [
    "ballot",
    "chat",
    "bascule.django",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "polls.urls"
WSGI_APPLICATION = "polls.wsgi.application"
ASGI_APPLICATION = "polls.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("POLLS_DATABASE", BASE_DIR / "polls.sqlite3"),
        "OPTIONS": {
            # Several threads write here. With WAL, readers continue beside a writer. IMMEDIATE
            # takes the write lock when a transaction begins, where SQLite waits for it (up to
            # `timeout` seconds) instead of failing half way with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "ballot:index"
LOGOUT_REDIRECT_URL = "ballot:index"

# How the windows of the chat reach each other: inside this process, or from process to process
# through Redis (with channels_redis installed). Only the ASGI side uses it.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
POLLS_REDIS = os.environ.get("POLLS_REDIS", "")
if POLLS_REDIS:
    # channels_redis asks for news and waits 5 seconds for them. The client under it, from version
    # 8 on, takes 5 seconds of silence for a failure: each quiet connection would end by that.
    host = {"address": POLLS_REDIS, "socket_timeout": 15}
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [host], "prefix": "polls"},
    }

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(os.environ.get("POLLS_MEDIA", BASE_DIR / "media"))

# A whole form with its picture. The picture's own limit is in ballot/pictures.py.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000

# Without DEBUG Django would mail its errors and write nothing; the server's log is better.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        # A 404 is in the access log of the server already.
        "django.request": {"level": "ERROR"},
    },
}
