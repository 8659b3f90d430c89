"""Neighbouring middleware that consists of hooks, called together.

Django gives each such middleware a layer of its own, and each hook a trip to a thread. A `HookRun`
stands for several layers: it calls their hooks in the same order, with the same outcome, and goes
to a thread only when a hook needs one, once for all that follow and still need it.

The behaviour of a layer, which a run has to keep:

- `process_request` from outside to inside, until one returns a response. The `process_response`
  of the same layer sees the response, the layers inside it never see the request.
- `process_response` from inside to outside, each with what the one before returned.
- An exception, in a hook or from further inside, becomes a response at the layer it passes:
  Django's `convert_exception_to_response`. The hook of that layer is over then, and the next one
  outside continues with the response. If it cannot be converted either, the next layer tries.

Whether a hook may run on the loop is its rule's to say (`builtin`). In a thread any hook may run.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.handlers.exception import convert_exception_to_response
from django.utils.deprecation import MiddlewareMixin

from bascule.django.handlers.builtin import HookRule, never, rule_for

Respond = Callable[[Any], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class HookLayer:
    """One middleware of a run: which hooks it has, and where they may run."""

    middleware: Any
    rule: HookRule
    has_request: bool
    has_response: bool

    def request_needs_thread(self, request: Any) -> bool:
        return self.has_request and not allowed(self.rule.request, self.middleware, request)

    def response_needs_thread(self, request: Any, response: Any) -> bool:
        return self.has_response and not allowed(
            self.rule.response, self.middleware, request, response
        )


class Progress(NamedTuple):
    """How far the hooks have come: at which layer, with which response, or which error."""

    depth: int
    response: Any = None
    error: Exception | None = None


class HookRun:
    """Layers, the outermost first, around `inner`."""

    def __init__(self, layers: tuple[HookLayer, ...], inner: Respond) -> None:
        self.layers = layers
        self.inner = inner
        self._enter_in_thread = sync_to_async(self._enter)
        self._leave_in_thread = sync_to_async(self._leave)

    async def respond(self, request: Any) -> Any:
        """Return the response of the outermost layer."""
        depth, response, error = await self._all_requests(request)
        if depth == len(self.layers):
            depth -= 1
            try:
                response = await self.inner(request)
            except Exception as raised:
                error = raised
        while True:
            while error is not None:
                if depth < 0:
                    raise error
                try:
                    response = await response_to(error, request)
                    error = None
                except Exception as raised:
                    error = raised
                depth -= 1
            if depth < 0:
                return response
            depth, response, error = await self._all_responses(request, response, depth)

    async def _all_requests(self, request: Any) -> Progress:
        """Ends at the depth of the layer that answered or failed, or beyond the innermost."""
        reached = self._enter(request, 0, in_thread=False)
        while (
            reached.response is None and reached.error is None and reached.depth < len(self.layers)
        ):
            reached = await self._enter_in_thread(request, reached.depth, in_thread=True)
            if reached.response is None and reached.error is None:
                reached = self._enter(request, reached.depth, in_thread=False)
        return reached

    async def _all_responses(self, request: Any, response: Any, depth: int) -> Progress:
        """Ends at the depth of the layer that failed, or beyond the outermost."""
        reached = self._leave(request, response, depth, in_thread=False)
        while reached.error is None and reached.depth >= 0:
            reached = await self._leave_in_thread(
                request, reached.response, reached.depth, in_thread=True
            )
            if reached.error is None:
                reached = self._leave(request, reached.response, reached.depth, in_thread=False)
        return reached

    def _enter(self, request: Any, depth: int, in_thread: bool) -> Progress:
        """Call `process_request` inwards: on the loop up to one that needs a thread, in a thread
        as long as one does."""
        layers = self.layers
        began = depth
        while depth < len(layers):
            layer = layers[depth]
            if in_thread:
                # The first is why it is here, whatever its rule says now.
                if depth > began and not any(
                    later.request_needs_thread(request) for later in layers[depth:]
                ):
                    break
            elif layer.request_needs_thread(request):
                break
            if layer.has_request:
                try:
                    response = layer.middleware.process_request(request)
                except Exception as error:
                    return Progress(depth, None, error)
                if response:
                    return Progress(depth, response)
            depth += 1
        return Progress(depth)

    def _leave(self, request: Any, response: Any, depth: int, in_thread: bool) -> Progress:
        """Call `process_response` outwards, in the same manner."""
        layers = self.layers
        began = depth
        while depth >= 0:
            layer = layers[depth]
            if in_thread:
                if depth < began and not any(
                    later.response_needs_thread(request, response) for later in layers[: depth + 1]
                ):
                    break
            elif layer.response_needs_thread(request, response):
                break
            if layer.has_response:
                try:
                    response = layer.middleware.process_response(request, response)
                except Exception as error:
                    return Progress(depth, None, error)
            depth -= 1
        return Progress(depth, response)


def in_one_run(respond: Any, known: dict[Any, HookRun]) -> Respond | None:
    """The same layer as part of a run, with the run inside it if there is one; None if it is not
    a layer of hooks. `respond` is what Django has made of a middleware, `known` are the runs by
    what this function returned.
    """
    middleware: Any = getattr(respond, "__wrapped__", None)
    if not (iscoroutinefunction(respond) and has_only_hooks(middleware)):
        return None
    layer = HookLayer(
        middleware,
        rule_for(middleware),
        hasattr(middleware, "process_request"),
        hasattr(middleware, "process_response"),
    )
    # By identity, because the callable need not be hashable.
    inside = next((run for call, run in known.items() if call is middleware.get_response), None)
    if inside is None:
        run = HookRun((layer,), middleware.get_response)
    else:
        run = HookRun((layer, *inside.layers), inside.inner)

    @wraps(respond)
    async def call(request: Any) -> Any:
        return await run.respond(request)

    known[call] = run
    return call


def has_only_hooks(middleware: Any) -> bool:
    """It is called as `MiddlewareMixin` calls, asynchronously, and its hooks are synchronous."""
    return (
        isinstance(middleware, MiddlewareMixin)
        and type(middleware).__call__ is MiddlewareMixin.__call__
        and getattr(middleware.__acall__, "__func__", None) is MiddlewareMixin.__acall__
        and iscoroutinefunction(getattr(middleware, "get_response", None))
        and bool(getattr(middleware, "async_mode", False))
        and not any(
            iscoroutinefunction(getattr(middleware, hook, None))
            for hook in ("process_request", "process_response")
        )
    )


def view_hook_on_loop(hook: Any) -> Any:
    """`process_view` of a middleware that may run it on the loop; None for any other method."""
    middleware = getattr(hook, "__self__", None)
    if not isinstance(middleware, MiddlewareMixin):
        return None
    rule = rule_for(middleware).view
    if rule is never or getattr(hook, "__name__", "") != "process_view":
        return None
    in_thread = sync_to_async(hook)

    async def process_view(request: Any, callback: Any, args: Any, kwargs: Any) -> Any:
        if allowed(rule, middleware, request, callback):
            return hook(request, callback, args, kwargs)
        return await in_thread(request, callback, args, kwargs)

    return process_view


async def response_to(error: Exception, request: Any) -> Any:
    """Django's response to an exception."""

    async def fail(request: Any) -> Any:
        raise error

    return await convert_exception_to_response(fail)(request)


def allowed(rule: Callable[..., bool], *args: Any) -> bool:
    """Ask a rule. A rule that raises says no: the hook then runs in a thread."""
    try:
        return bool(rule(*args))
    except Exception:
        return False
