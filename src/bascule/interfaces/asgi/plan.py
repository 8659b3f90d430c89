"""The choices that the calls of an ASGI application are given."""

from dataclasses import dataclass

from bascule.interfaces.exchange import WebSocketPlan
from bascule.types import ANNOUNCED, AsgiExtension


@dataclass(frozen=True, slots=True)
class AsgiPlan:
    """Made once for a worker, and never changed.

    root_path: the path that a proxy removes from each request.
    websockets: None where they are not wanted.
    extensions: those that scopes announce.
    """

    root_path: str = ""
    websockets: WebSocketPlan | None = None
    extensions: tuple[AsgiExtension, ...] = ANNOUNCED
