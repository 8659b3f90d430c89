from django.urls import path

from djangosite import views

urlpatterns = [
    path("sync/", views.sync),
    path("async/", views.asynchronous),
    path("sleeping/", views.sleeping),
    path("orm/", views.orm),
    path("orm-lasting/", views.orm_lasting),
]
