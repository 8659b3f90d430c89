"""A project of ordinary shape. WATCHED_BY names the agent that it sets up itself."""

import os

SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "watched.middleware.OfAProject",
]
ROOT_URLCONF = "watched.urls"
WSGI_APPLICATION = os.environ.get("WATCHED_WSGI", "watched.wsgi.application")
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
USE_TZ = True

match os.environ.get("WATCHED_BY"):
    case "sentry":
        import sentry_sdk

        from watched.reports import TellingEnvelopes

        sentry_sdk.init(
            dsn="http://key@127.0.0.1:9/1", transport=TellingEnvelopes, traces_sample_rate=1.0
        )
    case "elastic":
        INSTALLED_APPS.append("elasticapm.contrib.django")
        ELASTIC_APM = {
            "SERVICE_NAME": "watched",
            "TRANSPORT_CLASS": "watched.reports.TellingTransport",
            "CENTRAL_CONFIG": False,
            "CLOUD_PROVIDER": "none",
            "METRICS_INTERVAL": "0ms",
            "API_REQUEST_TIME": "60s",
        }
    case "newrelic":
        from watched.reports import tell_transactions

        tell_transactions()
    case "ddtrace":
        from watched.reports import tell_traces

        tell_traces()
