"""Addresses of the application."""

from django.urls import path

from .views import api, exports, health, questions

app_name = "ballot"

urlpatterns = [
    path("", questions.index, name="index"),
    path("ask/", questions.ask, name="ask"),
    path("questions/<int:pk>/", questions.question, name="question"),
    path("questions/<int:pk>/results/", questions.results, name="results"),
    path("questions/<int:pk>/votes.csv", exports.votes_csv, name="votes-csv"),
    path("questions/<int:pk>/live/", exports.live, name="live"),
    path("api/questions/", api.questions, name="api-questions"),
    path("api/questions/<int:pk>/", api.question, name="api-question"),
    path("ping/", health.ping, name="ping"),
    path("aping/", health.aping, name="aping"),
]
