"""`manage.py runserver` and `manage.py serve`, for projects that have "bascule.django" as an app.

They go before the commands of apps that come later in INSTALLED_APPS.
"""
