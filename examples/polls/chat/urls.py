"""The address of the page. That of the WebSocket is in routing.py."""

from django.urls import path

from . import views

app_name = "chat"

urlpatterns = [path("", views.room, name="room")]
