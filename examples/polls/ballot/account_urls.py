"""Logging in and out is Django's; signing up is ours."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from .views import accounts

urlpatterns = [
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("signup/", accounts.signup, name="signup"),
]
