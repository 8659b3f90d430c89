"""`manage.py serve`: what `bascule serve` does, for the project of this manage.py.

Django's checks come first. Everything else is the same: settings, signals, exit codes. Several
workers are `bascule serve`'s, which this process becomes: it has imported the project, and a
supervisor must not have.
"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand
from django.db import connections

from bascule.django.loading.sides import both_sides
from bascule.django.management.arguments import WORDS, add_settings, refuse_words, typed, words
from bascule.django.management.project import (
    command_error,
    late_variables,
    settings_here,
    this_project,
)
from bascule.errors import EXIT_INTERRUPTED, StartupError, UsageError
from bascule.launch import run_command
from bascule.loading.locate import load_target
from bascule.settings import Settings

COMMAND = [sys.executable, "-m", "bascule", "serve"]


class Command(BaseCommand):
    help = "Serves this project by WSGI and ASGI until SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_settings(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        project = this_project()
        try:
            refuse_words(options[WORDS])
        except UsageError as error:
            raise command_error(error, project.name) from error

        def read() -> Settings:
            settings = settings_here(project, typed(options))
            if late := late_variables(settings):
                self.stderr.write(self.style.WARNING(late))
            return settings

        def load(target: str, factory: bool, settings: Settings) -> object:
            if target == project.name:
                return both_sides(project, django_settings, settings.threads)
            return load_target(target, factory, settings.app_dir)

        def start_over() -> list[str]:
            return [*COMMAND, "--app-dir", project.directory, *words(typed(options))]

        # A check may have opened some; none of them is for the threads that serve.
        connections.close_all()
        try:
            code = run_command(read, load, start_over)
        except (UsageError, StartupError) as error:
            raise command_error(error, project.name) from error
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        if code:
            raise SystemExit(code)
