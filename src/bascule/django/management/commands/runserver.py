"""`manage.py runserver`: Django's development server, with Bascule in the place of the server.

A subclass of Django's command, so that arguments, checks, texts and errors are those of the Django
that is installed. It serves the whole project: each view by its own interface, WebSockets,
static files.
"""

import os
import re
import socket
import sys
from argparse import ArgumentParser
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, cast

from django.apps import apps
from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper, SystemCheckError
from django.core.management.commands.runserver import Command as DjangoCommand
from django.db import connections
from django.utils import autoreload

from bascule.address import TCPAddress
from bascule.development.failure_page import FailureServer
from bascule.development.reloader import SPARE
from bascule.directory import absolute, current
from bascule.django.loading.sides import asgi_modules, both_sides
from bascule.django.management.project import (
    command_error,
    late_variables,
    settings_here,
    this_project,
)
from bascule.django.management.reloading import RunserverParent, WatchedServer, is_child
from bascule.django.management.static import with_static_files
from bascule.errors import BindError, UsageError
from bascule.interfaces.hybrid import Hybrid
from bascule.launch import ended
from bascule.loading.locate import load_target
from bascule.observability import logs
from bascule.observability.waiting import waiting_for
from bascule.settings import DEVELOPMENT, OPTIONS, Settings
from bascule.sockets.bind import close_listeners, open_listeners
from bascule.sockets.inherited import inherited_sockets
from bascule.supervisor.first import leave_first_place
from bascule.worker.applications import ApplicationSource
from bascule.worker.role import OnReady, Standalone, Stop
from bascule.worker.run import run

NAME = "manage.py runserver"
# Seconds. A stream that a browser keeps open must not hold up the next start for longer, whatever
# the project has for production.
GRACE = cast(float, DEVELOPMENT["timeout_graceful_shutdown"])
HIGHEST_PORT = 65535
SETTINGS_FILES = ("bascule.toml", "pyproject.toml")
# Of what checks say, for terminals.
COLOURS = re.compile("\x1b\\[[0-9;]*m")


class Command(DjangoCommand):
    help = "Starts a development server that serves this project by WSGI and ASGI."
    stdout: Any  # Django has no types

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--nostatic",
            action="store_false",
            dest="use_static_handler",
            help="Leaves static files at STATIC_URL to the project.",
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            dest="insecure_serving",
            help="Serves static files also where DEBUG is False.",
        )

    def run(self, **options: Any) -> None:
        """Serve; with a child process unless --noreload. Django has checked the arguments."""
        leave_first_place()
        if not options["use_reloader"]:
            sys.exit(ended(lambda: self.serve_once(options)))
        try:
            if is_child():
                sys.exit(ended(lambda: self.serve_watched(options)))
            self.serve_by_children()
        except UsageError as error:
            raise command_error(error, this_project().name, code=1) from error

    def serve_by_children(self) -> None:
        # Refuse one that was deleted now: no change of a file would bring it back.
        current()
        logs.configure("info", "text", debug=True)
        sockets = self.listen()
        try:
            RunserverParent(sockets, GRACE + SPARE, this_project().directory).run_children()
        finally:
            close_listeners(sockets)

    def serve_watched(self, options: dict[str, Any]) -> int:
        # Django's own command is the parent where the project could not be loaded at first.
        sockets = inherited_sockets(os.environ) or self.listen()
        pages: list[FailureServer] = []

        def say(error: CommandError) -> None:
            self.say_why_not(error)
            pages.append(FailureServer(settings_for_pages(), sockets, COLOURS.sub("", str(error))))

        try:
            return WatchedServer(files_beside_modules()).run(
                lambda ready: self.serve(sockets, options, ready), say
            )
        finally:
            for page in pages:
                page.end()

    def say_why_not(self, error: CommandError) -> None:
        """The server does not run, but will after a change."""
        if isinstance(error, SystemCheckError):
            self.stderr.write(str(error), lambda text: text)  # it has its own colours
        else:
            self.stderr.write(str(error))
        self.stderr.write("Not serving; waiting for a change.", lambda text: text)
        self.stderr.flush()

    def serve_once(self, options: dict[str, Any]) -> int:
        sockets = self.listen()
        try:
            return self.serve(sockets, options)
        except KeyboardInterrupt:
            return 0
        finally:
            close_listeners(sockets)

    def serve(
        self,
        sockets: list[socket.socket],
        options: dict[str, Any],
        watching: OnReady = lambda stop: None,
    ) -> int:
        """Check the project and serve it; returns the exit code.

        watching: told how to stop it. Raises CommandError, whatever went wrong.
        """
        project = this_project()
        try:
            # An error that Django's command line caught, for a process that can wait for a change.
            autoreload.raise_last_exception()
            self.look_over(options)
            settings = self.read_settings(options)

            def load(target: str, factory: bool, settings: Settings) -> object:
                if target == project.name:
                    return self.load(options, settings.threads)
                return load_target(target, factory, settings.app_dir)

            def ready(stop: Stop) -> None:
                watching(stop)
                self.on_bind(sockets[0].getsockname()[1])
                self.stdout.flush()

            self.protocol = "https" if settings.uses_tls else "http"
            role = Standalone(sockets, on_ready=ready)
            return run(settings, ApplicationSource(load=load), role)
        except CommandError:
            raise
        except (Exception, SystemExit) as error:
            raise command_error(error, project.name, code=1) from error

    def on_bind(self, server_port: int) -> None:
        """Say what Django says, without the interface that newer ones name: here it is both."""
        stdout, said = self.stdout, StringIO()
        self.stdout = OutputWrapper(said)
        try:
            super().on_bind(server_port)
        finally:
            self.stdout = stdout
        text = said.getvalue().replace("Starting WSGI development", "Starting development")
        self.stdout.write(text, lambda text: text)

    def look_over(self, options: dict[str, Any]) -> None:
        """Checks, and the notice about migrations."""
        if not options["skip_checks"]:
            self.stdout.write("Performing system checks...\n\n")
            # Not those of Django's runserver, which leaves the checks to this place.
            wanted = BaseCommand.get_check_kwargs(self, options)
            self.check(**wanted, display_num_errors=True)
        with waiting_for("the database, to check its migrations", self.say_now):
            self.check_migrations()
        self.stdout.flush()
        # Neither is for the threads that serve.
        for connection in connections.all(initialized_only=True):
            connection.close()

    def say_now(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def read_settings(self, options: dict[str, Any]) -> Settings:
        said: dict[str, object] = {
            "bind": str(self.address),
            "interface": "auto",
            "reload": False,
            "timeout_graceful_shutdown": GRACE,
        }
        if not options["use_threading"]:
            said["threads"] = 1
        settings = settings_here(this_project(), said, DEVELOPMENT, NAME)
        if late := late_variables(settings):
            self.stderr.write(self.style.WARNING(late))
        return settings

    def load(self, options: dict[str, Any], threads: int) -> Hybrid:
        """The project, with static files where Django has them in development."""
        project = both_sides(this_project(), django_settings, threads)
        wanted = options["use_static_handler"] and (
            django_settings.DEBUG or options["insecure_serving"]
        )
        if wanted and apps.is_installed("django.contrib.staticfiles"):
            return with_static_files(project)
        return project

    @property
    def address(self) -> TCPAddress:
        """Where to listen, as Django has taken it from its argument."""
        return TCPAddress("0.0.0.0" if self.addr == "0" else self.addr, int(self.port))

    def listen(self) -> list[socket.socket]:
        """Open the listening sockets. Ends the process where that fails, as Django does."""
        address = self.address
        if address.port > HIGHEST_PORT:
            raise CommandError(f"{self.port!r} is not a valid port number.")
        try:
            if self.use_ipv6:
                address = TCPAddress(ipv6_of(address), address.port)
            return open_listeners([address], OPTIONS["backlog"].default)
        except BindError as error:
            # The other lines are about flags that this command does not have.
            self.stderr.write(f"Error: {str(error).partition(chr(10))[0]}")
            sys.exit(1)


def settings_for_pages() -> Settings:
    """How connections are made, as far as that can be known of a project that does not start."""
    try:
        return settings_here(this_project(), {}, DEVELOPMENT, NAME)
    except (Exception, SystemExit):
        # The error has been shown to the user.
        return Settings()


def files_beside_modules() -> list[Path]:
    """Return the files that a start reads besides the modules that it loads."""
    files = [Path(absolute(name)) for name in SETTINGS_FILES]
    if django_settings.is_overridden("ROOT_URLCONF"):
        # A module that cannot be imported is left out with a warning, and no module is left of it.
        specs = map(find_spec, asgi_modules(this_project(), django_settings))
        files += [Path(spec.origin) for spec in specs if spec is not None and spec.origin]
    return files


def ipv6_of(address: TCPAddress) -> str:
    """The IPv6 address of a host. Raises BindError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, socket.AF_INET6, socket.SOCK_STREAM)
    except OSError as error:
        raise BindError(
            f"cannot listen on {address}: {address.host!r} has no IPv6 address ({error.strerror})"
        ) from None
    return str(found[0][4][0])
