"""Which applications to serve: those that the settings name, and those that Python code gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bascule.errors import UsageError
from bascule.interfaces.hybrid import Hybrid
from bascule.loading.application import EVERYWHERE, Application
from bascule.loading.detect import is_a
from bascule.loading.locate import detect_interface, load_target
from bascule.mounting import MountPoint, parse_mount_point
from bascule.settings import Settings

# From TARGET, --factory and all settings to the application.
Load = Callable[[str, bool, Settings], object]


def load_module(target: str, factory: bool, settings: Settings) -> object:
    """Load a TARGET that names a module. Raises TargetError or StartupError."""
    return load_target(target, factory, settings.app_dir)


@dataclass(frozen=True, slots=True)
class ApplicationSource:
    """Where applications come from, besides the settings.

    app: the application, or a TARGET; None for that of the settings.
    mounts: further ones, by mount point.
    websocket: the application for WebSockets; None for that of the settings.
    load: finds what a TARGET names. Commands give a function that knows Django projects too.
    """

    app: object = None
    mounts: Mapping[str, object] = field(default_factory=dict)
    websocket: object = None
    load: Load = load_module

    @property
    def is_loaded(self) -> bool:
        """Whether the main application is here already, and not a TARGET."""
        return self.app is not None

    def named(self, settings: Settings) -> str:
        """Return what is imported, for people."""
        targets = [settings.target, *(target for _, target in settings.mount), settings.websocket]
        targets += [target for _, target in settings.listen]
        return ", ".join(target for target in targets if target) or "the application"

    def find(self, settings: Settings) -> list[Application]:
        """Return the applications to serve, in the order in which they are named.

        Raises UsageError (TargetError) or StartupError.
        """
        found = []
        # Not the truth of an application, which is none where it is empty.
        if self.app is not None or settings.target:
            main = settings.target if self.app is None else self.app
            found.append(
                self._made(settings, main, EVERYWHERE, settings.factory, settings.interface)
            )
        found += [self._made(settings, target, point) for point, target in settings.mount]
        found += [self._made(settings, app, point_of(where)) for where, app in self.mounts.items()]
        if self.websocket is not None or settings.websocket:
            websocket = settings.websocket if self.websocket is None else self.websocket
            found.append(self._made(settings, websocket, None))
        check(found, bool(settings.static))
        found += [
            replace(self._made(settings, target, None), listener=str(address))
            for address, target in settings.listen
            if target
        ]
        check_listeners(settings, found)
        return found

    def _made(
        self,
        settings: Settings,
        named: object,
        point: MountPoint | None,
        factory: bool = False,
        interface: str = "auto",
    ) -> Application:
        # Not isinstance, which may run code of a proxy.
        target = named if is_a(named, str) else ""
        app = self.load(target, factory, settings) if target else named
        if is_a(app, Hybrid):
            return app.as_application(interface, target, point)
        return Application(app, detect_interface(app, interface), target, point)


def point_of(where: str) -> MountPoint:
    """Read a mount point from Python. Raises UsageError."""
    try:
        return parse_mount_point(where)
    except ValueError as error:
        raise UsageError(f"mounts: {error}") from None


def check(found: list[Application], static: bool) -> None:
    """Raise UsageError where there is nothing to serve, or a request has two applications."""
    points = [application.point for application in found if application.point is not None]
    if not points and not static:
        raise UsageError("no TARGET: name the application, such as mysite.wsgi or main:app")
    for point in points:
        if points.count(point) > 1:
            raise UsageError(f"two applications are mounted at {point}")


def check_listeners(settings: Settings, found: list[Application]) -> None:
    """Raise UsageError where an address of `--listen` has no application that can serve it."""
    by_listener = {application.listener: application for application in reversed(found)}
    main = found[0] if found and found[0].point == EVERYWHERE else None
    for address, target in settings.listen:
        application = by_listener.get(str(address)) if target else main
        if application is None:
            raise UsageError(f"{address} has no application: give --listen {address}=TARGET")
        if application.interface == "wsgi":
            name = application.target or "the application"
            raise UsageError(
                f"{name} is a WSGI application, and only ASGI has connections that do not speak "
                f"HTTP: give --listen {address}=TARGET with an ASGI application"
            )
