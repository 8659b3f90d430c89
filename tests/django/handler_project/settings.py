"""The project that startproject makes, with an SQLite file of its own. For processes of their own,
started in this folder: a process has one Django."""

import os
from pathlib import Path

WORK = Path(os.environ["HANDLER_PROJECT_WORK"])

SECRET_KEY = "for the tests alone, and long enough that Django does not mind it at all"
ALLOWED_HOSTS = ["127.0.0.1", "*.test", ".test"]
ROOT_URLCONF = "urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
STATIC_ROOT = WORK / "static"
SESSION_FILE_PATH = str(WORK / "sessions")
LOGIN_URL = "/login/"
DATA_UPLOAD_MAX_MEMORY_SIZE = 50_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 20_000
CORS_ALLOWED_ORIGINS = ["https://other.test"]
LANGUAGES = [("en", "English"), ("de", "German")]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]

STARTPROJECT = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
MIDDLEWARE = STARTPROJECT

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.locmem.Loader",
                    {
                        "page.html": "{{ title }}: {% for m in messages %}{{ m }};{% endfor %}",
                        "form.html": "<form>{% csrf_token %}</form>",
                        "broken.html": "{{ broken.here }}",
                    },
                )
            ],
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
        "NAME": WORK / "db.sqlite3",
        "CONN_MAX_AGE": None,
        # Nothing needs to survive here, so nothing waits for the disk.
        "OPTIONS": {
            "timeout": 20,
            "init_command": "PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY",
        },
    }
}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# A hash that takes no time.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
