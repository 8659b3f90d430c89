"""The URLconf that the middleware takes when it is asked to."""

from django.urls import path

from hybrid_edges import views

# Each is where urls.py has a view of the other kind.
urlpatterns = [path("sync/", views.async_view), path("async/", views.sync_view)]
