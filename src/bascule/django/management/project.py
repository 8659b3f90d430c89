"""The project whose manage.py is running, as its commands serve it.

Django is set up already, and its settings are loaded, whichever way manage.py has done that: there
may not even be a settings module.
"""

import os
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from bascule.directory import of_script
from bascule.django.loading.configuration import KEY, layer_of
from bascule.django.loading.locate import MANAGE, VARIABLE, Project
from bascule.errors import BasculeError, SettingsError, StartupError, UsageError
from bascule.loading.traces import startup_message
from bascule.settings import Settings, load_settings
from bascule.settings.findings import Rank, Source, listed
from bascule.settings.load import ProjectSettings


def this_project() -> Project:
    module: str = settings.SETTINGS_MODULE or ""
    # Where a manage.py configures the settings itself, there is no module, and no name.
    name = module.partition(".")[0] or "the project"
    return Project(name, module or "the settings", MANAGE, of_script())


def settings_here(
    project: Project,
    said: Mapping[str, object],
    preset: Mapping[str, object] | None = None,
    preset_name: str = "",
) -> Settings:
    """The settings for serving it: what was said, the environment, the settings file, BASCULE.

    Raises SettingsError.
    """

    def itself(target: str, app_dir: str, environ: Mapping[str, str]) -> ProjectSettings:
        findings: list[str] = []
        layer = layer_of(getattr(settings, KEY, {}), project.settings_module, findings)
        source = Source(Rank.PROJECT, project.source, VARIABLE)
        return ProjectSettings(project.name, source, layer, findings)

    return load_settings(
        # A settings file may name another TARGET, for those who start the server without Django.
        {**said, "target": project.name},
        preset=preset,
        preset_name=preset_name,
        find_project=itself,
    )


def late_variables(chosen: Settings) -> str:
    """Return a warning about an env-file that is read after the settings module, or ""."""
    late = sorted(chosen.app_environment.keys() - os.environ.keys())
    if not late:
        return ""
    return (
        f"{chosen.env_file}: {', '.join(late)} cannot be seen by {settings.SETTINGS_MODULE}, "
        "which manage.py has loaded before. Let manage.py read the file, or use `bascule serve`"
    )


def command_error(error: BaseException, project: str, code: int | None = None) -> CommandError:
    """The error as a command of Django's tells it: text, and an exit code.

    code: instead of the one that `bascule serve` has.
    """
    if isinstance(error, SettingsError):
        text = listed(error.findings)
    elif isinstance(error, BasculeError):
        text = str(error)
    else:
        error, text = StartupError(), startup_message(project, error)
    own: Any = error.exit_code if isinstance(error, UsageError | StartupError) else 1
    return CommandError(text, returncode=own if code is None else code)
