"""The values of all settings, checked, with where each came from."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from bascule.address import Address, FDAddress, TCPAddress, UnixAddress
from bascule.settings.findings import DEFAULT, Rank, Source
from bascule.settings.option import Option
from bascule.settings.options import OPTIONS, Declared

NEED_SUPERVISOR = (
    "preload",
    "max_requests",
    "workers_lifetime",
    "workers_max_rss",
    "health_bind",
    "control",
)


class Values(Declared):
    """All settings as attributes, with the names and defaults of `Declared`. Cannot be changed.

    `Settings`, which callers get, adds how it is made from keyword arguments.
    """

    def __init__(
        self,
        values: Mapping[str, Any] = MappingProxyType({}),
        sources: Mapping[str, Source] = MappingProxyType({}),
        app_environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Take parsed values by name; defaults stand for the rest.

        app_environment: the variables that the env-file holds.
        """
        for name, option in OPTIONS.items():
            self.__dict__[name] = values.get(name, option.default)
        self.__dict__["_sources"] = dict(sources)
        self.__dict__["_app_environment"] = dict(app_environment)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"settings cannot be changed; make new ones with Settings({name}=...)"
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("settings cannot be changed")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Values):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in OPTIONS)

    __hash__ = None  # type: ignore[assignment]  # equal by value, and no key of anything

    def __repr__(self) -> str:
        said = (f"{option.name}={option.show(value)}" for option, value, source in self if source)
        return f"<Settings {' '.join(said)}>".replace(" >", ">")

    def __iter__(self) -> Iterator[tuple[Option[Any], Any, Source | None]]:
        """Yield each option, its value, and its source (None for the default)."""
        for name, option in OPTIONS.items():
            yield option, getattr(self, name), self._source(name)

    def _source(self, name: str) -> Source | None:
        sources: dict[str, Source] = self.__dict__["_sources"]
        return sources.get(name)

    def source_of(self, name: str) -> str:
        """Say where a value came from, such as "environment PORT" or "bascule.toml line 7"."""
        return str(self._source(name) or DEFAULT)

    @property
    def app_environment(self) -> dict[str, str]:
        """The variables of --env-file, for `os.environ`; those already set there are stronger."""
        return dict(self.__dict__["_app_environment"])

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where to listen: `bind`, else `uds` or `fd`, else `host` and `port`."""
        if self.bind:
            return self.bind
        if self.uds is not None:
            return (UnixAddress(self.uds),)
        if self.fd is not None:
            return (FDAddress(self.fd),)
        return (TCPAddress(self.host, self.port),)

    @property
    def supervised(self) -> int | None:
        """How many workers a supervisor has, 0 for one per processor; None without one.

        A setting that only a supervisor can follow implies one, with one worker. A server that
        restarts when files change has none: it serves one developer.
        """
        if self.reload:
            return None
        if self.workers is None and any(getattr(self, name) for name in NEED_SUPERVISOR):
            return 1
        return self.workers

    @property
    def says_where_to_listen(self) -> bool:
        """Whether any source has `addresses`, beside the defaults of the table or a command."""
        sources = map(self._source, ("bind", "uds", "fd", "host", "port"))
        return any(source is not None and source.rank > Rank.PRESET for source in sources)

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.ssl_certfile is not None
