"""A Django project in one file that uses its database while it is imported."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from process_pooling.base import closed_by

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "process_pooling", "NAME": "database"}},
)
django.setup()

with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
assert connection.connection is not None


def connections(request):
    state = "open" if connection.connection is not None else "closed"
    return HttpResponse(f"{state}, pool closed by {closed_by}")


urlpatterns = [path("", connections)]
application = get_wsgi_application()
