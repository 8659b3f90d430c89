"""Make settings from all sources, and report everything that is wrong with them at once."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, Unpack

from bascule.errors import SettingsError
from bascule.settings.checks import check
from bascule.settings.environment import read_env_file, read_environment, read_variables
from bascule.settings.file import FileReader
from bascule.settings.findings import Given, Layer, Rank, Source, did_you_mean, finding
from bascule.settings.merge import merge, parse_layer
from bascule.settings.options import OPTIONS
from bascule.settings.values import NEED_SUPERVISOR, Values

if TYPE_CHECKING:
    from bascule.settings.typed import AllOptions

NO_TARGET = (
    "TARGET is missing: give module:attribute, such as bascule serve mysite.wsgi:application, "
    "or `target` in bascule.toml; a Django project needs none where its manage.py is"
)

# The defaults that differ in development. Reloading must not wait for a stream that a browser
# keeps open, and a PORT that some tool has set must not open a debugging server to the network,
# hence the host.
DEVELOPMENT: Mapping[str, object] = {
    "host": "127.0.0.1",
    "reload": True,
    "debug": True,
    "timeout_graceful_shutdown": 2.0,
}


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The settings that a framework's project has for us.

    target: the TARGET that names the project.
    source: the place where the target stands.
    layer: the settings, unparsed.
    findings: the mistakes in them.
    """

    target: str
    source: Source
    layer: Layer
    findings: Sequence[str]


# From TARGET ("" for none), --app-dir and the variables to the project there, if there is one.
# Raises UsageError or StartupError.
FindProject = Callable[[str, str, Mapping[str, str]], ProjectSettings | None]
Elsewhere = Callable[[FindProject], FindProject]


class Loader:
    """Collects layers of values, from the weakest source to the strongest, and findings."""

    def __init__(self) -> None:
        self.findings: list[str] = []
        self.broken: set[str] = set()
        self.layers: list[Layer] = []
        self.app_environment: dict[str, str] = {}

    def parsed(self, layer: Layer) -> Layer:
        return parse_layer(layer, self.findings, self.broken)

    def add_sources(self, said: Layer, environ: Mapping[str, str]) -> None:
        """Add all sources; the environment and what was said name the files to read."""
        strong = [self.parsed(read_environment(environ, self.findings)), self.parsed(said)]
        file = self.parsed(FileReader(self.findings).read(strongest("config", strong)))
        path = strongest("env_file", [file, *strong])
        env_file = self.parsed(self._env_file(path)) if path is not None else {}
        self.layers += [file, env_file, *strong]

    def add_project(
        self, find: FindProject, elsewhere: "Elsewhere | None", environ: Mapping[str, str]
    ) -> None:
        """Add what a project says, below the sources that lead to it."""
        if elsewhere is not None and any(
            strongest(name, self.layers) is not None for name in ("workers", *NEED_SUPERVISOR)
        ):
            find = elsewhere(find)
        target = strongest("target", self.layers) or ""
        if "target" in self.broken or (not target and strongest("mount", self.layers)):
            return
        directory = strongest("app_dir", self.layers) or ""
        project = find(target, directory, {**self.app_environment, **environ})
        if project is None:
            return
        self.findings += project.findings
        layer = self.parsed(project.layer)
        if not target:
            layer["target"] = Given(project.target, project.source)
        self.layers.insert(0, layer)

    def add_arguments(self, layer: Layer) -> None:
        """Add arguments, and the files that they name."""
        said = self.parsed(layer)
        config, path = strongest("config", [said]), strongest("env_file", [said])
        if config is not None:
            self.layers.append(self.parsed(FileReader(self.findings).read(config)))
        if path is not None:
            self.layers.append(self.parsed(self._env_file(path)))
        self.layers.append(said)

    def _env_file(self, path: str) -> Layer:
        self.app_environment, sources = read_env_file(path, self.findings)
        layer = read_variables(self.app_environment, sources, self.findings)
        for name in ("config", "env_file"):
            if name in layer:
                source = layer.pop(name).source
                self.findings.append(finding(source, "comes too late in the env-file itself"))
        return layer

    def values(self, need_target: bool) -> Values:
        """Return the merged values. Raises SettingsError with all findings."""
        merged = merge(self.layers, self.findings)
        values = {name: given.value for name, given in merged.items()}
        sources = {name: given.source for name, given in merged.items()}
        settings = Values(values, sources, self.app_environment)
        self.findings += check(settings, sources, self.broken)
        if (
            need_target
            and not settings.target
            and not settings.mount
            and not settings.static
            and "target" not in self.broken
        ):
            self.findings.append(NO_TARGET)
        if self.findings:
            raise SettingsError(self.findings)
        return settings


def strongest(name: str, layers: Sequence[Layer]) -> Any:
    """Return the value the last of these layers that has one gives, or None."""
    return next((layer[name].value for layer in reversed(layers) if name in layer), None)


class Settings(Values):
    """All settings as attributes, with the names and defaults of `Declared`. Cannot be changed."""

    def __init__(self, **options: "Unpack[AllOptions]") -> None:
        """Take settings as keyword arguments, checked as the values of the command line are.

        Reads no environment variable, and no file but those that the arguments name.
        Raises SettingsError with all findings.
        """
        self.__dict__.update(values_of_arguments(options).__dict__)

    @classmethod
    def holding(cls, values: Values) -> Self:
        """Return settings with these values, which are parsed and checked already."""
        settings = cls.__new__(cls)
        settings.__dict__.update(values.__dict__)
        return settings


def load_settings(
    command_line: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    preset: Mapping[str, object] | None = None,
    preset_name: str = "",
    need_target: bool = True,
    find_project: FindProject | None = None,
    elsewhere: "Elsewhere | None" = None,
) -> Settings:
    """Return the settings of this process.

    command_line: values by option name, as text (or bool, or a tuple of texts), only those that
    were typed. environ: the variables, `os.environ` unless given. preset: defaults of a command
    that differ from those of the table, and in `preset_name` the command. need_target: whether
    TARGET must be known in the end. find_project: asks a framework for a project, which is weaker
    than all other sources. elsewhere: makes of that one which leaves no trace in this process, for
    when the other sources ask for workers. Raises SettingsError with all findings, each a line
    that names its place.
    """
    loader = Loader()
    said = layer_of(command_line or {}, Rank.SAID, "command line")
    variables = os.environ if environ is None else environ
    loader.add_sources(said, variables)
    if find_project is not None:
        loader.add_project(find_project, elsewhere, variables)
    if preset:
        loader.layers.insert(0, loader.parsed(layer_of(preset, Rank.PRESET, preset_name)))
    return Settings.holding(loader.values(need_target))


def layer_of(values: Mapping[str, object], rank: Rank, place: str) -> Layer:
    """Return a layer of values whose names are known to be right."""
    return {
        name: Given(
            value, Source(rank, place, "TARGET" if name == "target" else OPTIONS[name].flag)
        )
        for name, value in values.items()
    }


def values_of_arguments(options: Mapping[str, object]) -> Values:
    """Return the values of keyword arguments; see `Settings`."""
    loader = Loader()
    layer: Layer = {}
    for name, value in options.items():
        source = Source(Rank.SAID, "argument", name)
        if name in OPTIONS:
            layer[name] = Given(value, source)
        else:
            loader.findings.append(
                finding(source, f"is not a setting{did_you_mean(name, OPTIONS)}")
            )
    loader.add_arguments(layer)
    return loader.values(need_target=False)
