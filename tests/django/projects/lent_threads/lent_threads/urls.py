from django.urls import path

from lent_threads import views

urlpatterns = [
    path("thread/", views.thread),
    path("athread/", views.athread),
    path("connections/", views.connections),
    path("leftover/", views.leftover),
    path("leftover/seen/", views.leftover_seen),
    path("together/", views.together),
    path("echo/", views.echo),
    path("stream/", views.stream),
    path("broken/", views.broken),
]
