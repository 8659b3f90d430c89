"""`"bascule.django"` in INSTALLED_APPS: the checks of `manage.py check`."""

from django.apps import AppConfig


class BasculeConfig(AppConfig):
    """No models. The label is not the last part of the name, which would be "django"."""

    name = "bascule.django"
    label = "bascule_django"
    verbose_name = "Bascule"

    def ready(self) -> None:
        from bascule.django.checks import register_checks

        register_checks()
