from django.urls import path

from watched import views

urlpatterns = [
    path("sync/", views.sync_view),
    path("async/", views.async_view),
    path("sync/fails/", views.sync_view_that_fails),
    path("async/fails/", views.async_view_that_fails),
]
