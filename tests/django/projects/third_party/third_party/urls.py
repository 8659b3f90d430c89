from debug_toolbar.toolbar import debug_toolbar_urls
from django.urls import include, path

from third_party import views

urlpatterns = [
    path("sync/", views.sync_page),
    path("async/", views.async_page),
    path("sync/broken/", views.broken),
    path("async/broken/", views.broken_async),
    path("accounts/", include("allauth.account.urls")),
    *debug_toolbar_urls(),
]
