"""Descriptions of objects that are named in place of an application."""

import socket
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from channels.generic.websocket import WebsocketConsumer
from django.views import View
from flask import Blueprint, Flask
from werkzeug.local import LocalProxy

from bascule.errors import TargetError
from bascule.loading.detect import detect_interface
from bascule.loading.mistakes import what_instead


async def view(request: Any) -> None: ...


def detail(request: Any, number: int) -> None: ...


class Dashboard:
    """As Dash was before it could be called."""

    server = Flask("x")


def of_another_server(module: str) -> object:
    return type("Application", (), {"__module__": module})()


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (view, "looks like a view; give the application"),
        (detail, "looks like a view; give the application"),
        (View.as_view(), "looks like a view; give the application"),
        (Dashboard(), "Its attribute server is one (wsgi): append .server to TARGET"),
        (Flask, "It is a class; usually an instance of it is the application"),
        (WebsocketConsumer, "Its as_asgi() makes one: append .as_asgi to TARGET"),
        (Blueprint("x", "y"), "A blueprint is a part of a Flask application"),
        (of_another_server("aiohttp.web_app"), "aiohttp has its own server"),
        (of_another_server("tornado.web"), "Tornado has its own server"),
        (of_another_server("socketio.async_server"), "Give socketio.ASGIApp(server)"),
        (of_another_server("socketio.server"), "Give socketio.WSGIApp(server)"),
    ],
)
def test_what_is_said(thing: object, said: str) -> None:
    assert said in what_instead(thing)
    with pytest.raises(TargetError, match="say which: --interface wsgi or --interface asgi3"):
        detect_interface(thing, "auto")


@pytest.mark.parametrize(
    "thing",
    [
        3,
        "text",
        None,
        print,
        lambda *args: None,
        lambda: None,
        ModuleType("x"),
        SimpleNamespace(server=3),
        socket.socket,
        LocalProxy(lambda: None),
    ],
)
def test_nothing_false_is_said(thing: object) -> None:
    assert what_instead(thing).startswith("\nIt is a class") is (thing is socket.socket)
