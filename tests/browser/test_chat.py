"""The chat of the example in two windows of a real browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from chat_room import Room

from support.polls import POLLS
from support.server import Server, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

    Pages = Callable[[], Page]

pytestmark = pytest.mark.browser


@contextmanager
def site(env: dict[str, str], port: int = 0) -> Iterator[Server]:
    with running("polls.asgi", "--app-dir", str(POLLS), env=env, port=port) as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def server(chromium: object, site_env: dict[str, str]) -> Iterator[Server]:
    """The example, served. After `chromium`: where that is missing, nothing needs to start."""
    with site(site_env) as served:
        yield served


def both_talk(demo: Room, guest: Room) -> None:
    """Each says something, and both see both, with the right names."""
    demo.say("Is anybody there?")
    guest.sees("demo", "Is anybody there?")
    demo.sees("demo", "Is anybody there?", mine=True)
    guest.say("Me, over here. 🧀")
    demo.sees("guest", "Me, over here. 🧀")
    guest.sees("guest", "Me, over here. 🧀", mine=True)


def test_what_is_typed_in_one_window_appears_in_the_other(
    server: Server, new_page: "Pages"
) -> None:
    demo = Room(new_page(), server.base_url).log_in().enter()
    demo.sees_notice("You are in the room as demo.")
    guest = Room(new_page(), server.base_url).enter(people=2)
    demo.sees_people(2)
    demo.sees_notice("guest joined.")
    both_talk(demo, guest)


def test_who_closes_the_window_has_left(server: Server, new_page: "Pages") -> None:
    demo = Room(new_page(), server.base_url).log_in().enter()
    guest = Room(new_page(), server.base_url).enter(people=2)
    guest.close()
    demo.sees_notice("guest left.")
    demo.sees_people(1)


def test_markup_in_a_message_is_text(server: Server, new_page: "Pages") -> None:
    markup = "<img src=x onerror=\"document.title = 'taken'\"><b>bold</b> &amp;"
    sender = Room(new_page(), server.base_url).enter()
    reader = Room(new_page(), server.base_url).enter(people=2)
    sender.say(markup)
    reader.sees("guest", markup)
    assert reader.page.locator(".words *").count() == 0
    assert reader.page.title() == "Chat · Polls"


def test_the_windows_connect_again_when_the_server_is_back(
    chromium: object, site_env: dict[str, str], new_page: "Pages"
) -> None:
    with site(site_env) as server:
        demo = Room(new_page(), server.base_url).log_in().enter()
        guest = Room(new_page(), server.base_url).enter(people=2)
        demo.say("Before")
        guest.sees("demo", "Before")
    for room in (demo, guest):
        room.is_in_state("waiting")
    with site(site_env, server.port):
        for room in (demo, guest):
            room.sees_people(2)
        both_talk(demo, guest)


def test_two_servers_that_share_a_redis_are_one_room(
    chromium: object,
    site_env: dict[str, str],
    redis_url: str,
    new_page: "Pages",
) -> None:
    env = {**site_env, "POLLS_REDIS": redis_url}
    with site(env) as first, site(env) as second:
        demo = Room(new_page(), first.base_url).log_in().enter()
        guest = Room(new_page(), second.base_url).enter(people=2)
        demo.sees_people(2)
        both_talk(demo, guest)
        guest.close()
        demo.sees_notice("guest left.")
        demo.sees_people(1)
