"""The chat page as its users see it.

Every check waits until the page shows the expected state, and fails at a deadline.
"""

from typing import TYPE_CHECKING

from support.polls import DEMO

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Room:
    """A window with the chat open in it."""

    def __init__(self, page: "Page", site: str) -> None:
        self.page = page
        self._site = site

    def enter(self, people: int = 1) -> "Room":
        """Open the room, and wait until it is connected and has counted `people`."""
        self.page.goto(f"{self._site}/chat/")
        self.sees_people(people)
        return self

    def log_in(self) -> "Room":
        self.page.goto(f"{self._site}/accounts/login/")
        for name, value in DEMO.items():
            self.page.fill(f"[name={name}]", value)
        self.page.click("main button")
        self.page.get_by_text("Log out demo").wait_for()
        return self

    def say(self, text: str) -> None:
        self.page.fill("[name=text]", text)
        self.page.get_by_role("button", name="Send").click()

    def sees(self, name: str, text: str, *, mine: bool = False) -> None:
        """Wait for a message with exactly this text from `name`."""
        line = self.page.locator(".said.mine" if mine else ".said:not(.mine)")
        by_name = line.filter(has=self.page.locator(".name").get_by_text(name, exact=True))
        by_name.locator(".words").get_by_text(text, exact=True).wait_for()

    def sees_notice(self, text: str) -> None:
        self.page.locator(".notice").get_by_text(text, exact=True).last.wait_for()

    def sees_people(self, number: int) -> None:
        counted = "1 person" if number == 1 else f"{number} people"
        self.page.get_by_text(f"· {counted} in the room").wait_for()
        self.is_in_state("connected")

    def is_in_state(self, state: str) -> None:
        self.page.locator(f'[data-state="{state}"]').wait_for()

    def close(self) -> None:
        self.page.close()
