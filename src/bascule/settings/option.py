"""The declaration of one setting, from which everything else is made.

The command line, the keys of the settings file, the BASCULE_* variables, the attributes of
`Settings` and the reference page all come from `Option` objects, so that none of them can
disagree.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from bascule.settings.kinds import Flag, Kind, Listing, Maybe

T = TypeVar("T")
VARIABLE_PREFIX = "BASCULE_"


@dataclass(eq=False)
class Option(Generic[T]):
    """One setting.

    kind: how its value is written.
    default: its value if no source has one.
    section: the heading it stands under.
    help: one or two sentences for `--help` and the reference.
    reason: why the default is as it is; every limit has one.
    short: a one-letter flag.
    aliases: environment variables of other origin that mean the same, each weaker than the
        BASCULE_ one.
    secret: never shown.
    in_file: whether a settings file may have it.
    name: the attribute of the table.
    """

    kind: Kind[T]
    default: T
    section: str
    help: str
    reason: str = ""
    short: str = ""
    aliases: tuple[str, ...] = ()
    secret: bool = False
    in_file: bool = True
    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def flag(self) -> str:
        """The long flag of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def negation(self) -> str:
        """The long flag that says no, of an option that stands alone."""
        return "--no-" + self.flag.removeprefix("--")

    @property
    def stands_alone(self) -> bool:
        """Whether its flag takes no value."""
        return isinstance(self.kind, Flag)

    @property
    def repeats(self) -> bool:
        """Whether its flag may be given several times."""
        return isinstance(self._said, Listing)

    @property
    def metavar(self) -> str:
        """The placeholder for its value in help texts."""
        return self._said.metavar

    @property
    def _said(self) -> Kind[Any]:
        """The kind of what is written, leaving aside that it may be nothing."""
        return self.kind.kind if isinstance(self.kind, Maybe) else self.kind

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLE_PREFIX + self.name.upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """All environment variables that mean it, from the strongest to the weakest."""
        return self.variable, *self.aliases

    def show(self, value: T) -> str:
        """Return a value for people to read, a secret as asterisks."""
        return "********" if self.secret and value is not None else self.kind.show(value)

    if TYPE_CHECKING:  # an instance holds its values in its __dict__, so no lookup ever comes here

        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...
        @overload
        def __get__(self, instance: object, owner: type) -> T: ...
        def __get__(self, instance: object, owner: type) -> Any: ...
