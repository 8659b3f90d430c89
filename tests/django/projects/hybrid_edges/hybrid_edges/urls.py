"""Routes of every kind. `/ruled/` is decided by BASCULE in the settings."""

from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path, re_path, register_converter
from django.utils.translation import gettext_lazy as _

from hybrid_edges import views
from hybrid_edges.converters import Even

register_converter(Even, "even")

shop = [
    path("", views.sync_view, name="shop"),
    path("<slug:item>/", views.sync_view),
    path("<slug:item>/live/", views.async_view),
]

urlpatterns = [
    path("", views.sync_view),
    path("sync/", views.sync_view),
    path("async/", views.async_view),
    path("class/sync/", views.SyncClass.as_view()),
    path("class/async/", views.AsyncClass.as_view()),
    path("partial/<int:number>/", views.partial_view),
    path("wrapped/", views.made_sync),
    path("marked/", views.marked_object),
    path("exempt/", views.exempt_view),
    path("forced/wsgi/", views.async_in_thread),
    path("forced/asgi/", views.sync_on_loop),
    path("forced/class/", views.ForcedClass.as_view()),
    path("forced/dispatch/", views.ForcedDispatch.as_view()),
    path("ruled/to-threads/", views.async_view),
    path("ruled/to-loop/", views.sync_view),
    path("number/<even:number>/", views.async_view),
    path("number/<int:number>/", views.sync_view),
    path("uuid/<uuid:key>/", views.async_view),
    path("files/<path:name>", views.sync_view),
    re_path(r"^archive/(?P<year>[0-9]{4})/$", views.async_view),
    re_path(r"^pair/(\d+)-(\d+)/$", views.async_view),
    re_path(r"somewhere/here", views.async_view),
    re_path(r"^same/(?P<letter>\w)(?P=letter)/$", views.async_view),
    path("shops/<int:shop>/", include((shop, "shop"))),
    path("unicode/<str:word>/", views.async_view),
    path("stream/sync/", views.stream_sync),
    path("stream/async/", views.stream_async),
    path("stream/async-from-sync/", views.stream_async_from_sync),
    path("stream/sync-from-async/", views.stream_sync_from_async),
    path("upload/sync/", views.upload),
    path("upload/async/", views.upload_async),
    path("facts/sync/", views.facts),
    path("facts/async/", views.facts_async),
    path("broken/sync/", views.broken),
    path("broken/async/", views.broken_async),
    path("thread/sync/", views.thread),
    path("thread/async/", views.thread_async),
    path("wait/", views.wait),
    path("waiting/", views.waiting),
    path("release/", views.release),
    path("gone/", views.gone),
    path("endless/sync/", views.endless),
    path("endless/async/", views.endless_async),
    path("gone/seen/", views.gone_seen),
    path("signals/", views.signals),
    *i18n_patterns(
        path("news/", views.async_view),
        path("plain/", views.sync_view),
        path(_("Yes"), views.async_view),
        prefix_default_language=False,
    ),
]
