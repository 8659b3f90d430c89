"""The WSGI entry point: `bascule serve polls.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polls.settings")

application = get_wsgi_application()
