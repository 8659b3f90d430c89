from django.urls import path

from djangosite import views

urlpatterns = [
    path("sync/", views.sync),
    path("async/", views.asynchronous),
    path("orm/", views.orm),
]
