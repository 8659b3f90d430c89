"""Every address of the site."""

from ballot.views import files
from django.contrib import admin
from django.urls import include, path

admin.site.site_header = "Polls"
admin.site.site_title = "Polls"

urlpatterns = [
    path("", include("ballot.urls")),
    path("accounts/", include("ballot.account_urls")),
    path("chat/", include("chat.urls")),
    path("admin/", admin.site.urls),
    path("static/<path:path>", files.static, name="static"),
    path("media/<path:path>", files.media, name="media"),
]
