"""The applications that settings and arguments name, found and looked at."""

from collections.abc import Callable, Mapping

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
    """A TARGET that names a module. Raises TargetError or StartupError."""
    return load_target(target, factory, settings.app_dir)


def find_applications(
    settings: Settings,
    app: object = None,
    mounts: Mapping[str, object] | None = None,
    websocket: object = None,
    load: Load = load_module,
) -> list[Application]:
    """The applications to serve, in the order in which they are named.

    app, mounts, websocket: applications or TARGETs from Python, beside what the settings name.
    load: finds what a TARGET names; whoever knows more kinds of TARGET than modules gives another.
    Raises UsageError (TargetError) or StartupError.
    """

    def find(named: object, point: MountPoint | None) -> Application:
        return made(settings, named, point, load, factory=False, interface="auto")

    found = []
    main = settings.target if app is None else app
    if main:
        found.append(made(settings, main, EVERYWHERE, load, settings.factory, settings.interface))
    found += [find(target, point) for point, target in settings.mount]
    found += [find(named, point_of(where)) for where, named in (mounts or {}).items()]
    if websocket is not None or settings.websocket:
        found.append(find(settings.websocket if websocket is None else websocket, None))
    check(found)
    return found


def made(
    settings: Settings,
    named: object,
    point: MountPoint | None,
    load: Load,
    factory: bool,
    interface: str,
) -> Application:
    # Not isinstance, which may run code of a proxy.
    target = named if is_a(named, str) else ""
    app = load(target, factory, settings) if target else named
    if is_a(app, Hybrid):
        return app.as_application(interface, target, point)
    return Application(app, detect_interface(app, interface), target, point)


def point_of(where: str) -> MountPoint:
    """Read a mount point from Python. Raises UsageError."""
    try:
        return parse_mount_point(where)
    except ValueError as error:
        raise UsageError(f"mounts: {error}") from None


def check(found: list[Application]) -> None:
    """There is something to serve, and no request has two applications. Raises UsageError."""
    points = [application.point for application in found if application.point is not None]
    if not points:
        raise UsageError("no TARGET: name the application, such as mysite.wsgi or main:app")
    for point in points:
        if points.count(point) > 1:
            raise UsageError(f"two applications are mounted at {point}")
