"""A project that watches its own connections, which stay."""

import os

SECRET_KEY = "for tests alone"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["activity"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "activity.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["ACTIVITY_HOST"],
        "NAME": "postgres",
        "USER": "postgres",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"application_name": "activity"},
    }
}
