"""A person without mouse and eyes: keys are pressed, and what is there is read from the accessibility tree."""

import re
import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

MOST_TABS = 90
WAIT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Node:
    """What Chromium tells assistive technology of one thing on the page."""

    role: str
    name: str
    focused: bool
    description: str = ""


class Reader:
    """Reads one page and presses keys on it."""

    def __init__(self, page: Page) -> None:
        self.page, self.presses = page, 0
        self._tools = page.context.new_cdp_session(page)

    def tree(self) -> list[Node]:
        """Return everything the accessibility tree has of the page, in its order."""
        nodes: list[dict[str, Any]] = self._tools.send("Accessibility.getFullAXTree")["nodes"]
        return [self._node(one) for one in nodes if not one.get("ignored")]

    def _node(self, one: dict[str, Any]) -> Node:
        has = {item["name"]: item["value"].get("value") for item in one.get("properties", [])}
        words = [one.get(part, {}).get("value") or "" for part in ("role", "name", "description")]
        return Node(str(words[0]), str(words[1]), bool(has.get("focused")), str(words[2]))

    def says(self, words: str) -> bool:
        """Tell whether something on the page has these words in its name."""
        return any(words in node.name for node in self.tree())

    def wait_for(self, words: str) -> None:
        """Wait until the page says these words, as one does who is told of changes."""
        end = time.monotonic() + WAIT_SECONDS
        while not self.says(words):
            assert time.monotonic() < end, f"never said: {words}\n" + "\n".join(node.name for node in self.tree())
            time.sleep(0.2)

    def focused(self) -> Node | None:
        """Return what has the focus and is no document: it is asked for at each Tab."""
        return next((node for node in reversed(self.tree()) if node.focused and node.role != "RootWebArea"), None)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.presses += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def go_to(self, role: str, name: str) -> Node:
        """Press Tab until what has the focus is this; `name` is a pattern of its whole accessible name."""
        passed = []
        for _ in range(MOST_TABS):
            here = self.focused()
            if here and here.role == role and re.fullmatch(name, here.name):
                return here
            passed.append(f"{here.role} “{here.name}”" if here else "nothing")
            self.press("Tab")
        raise AssertionError(f"no {role} “{name}” within {MOST_TABS} Tabs, but\n" + "\n".join(passed))

    def enter(self, role: str, name: str) -> None:
        """Go to a link or button and press it."""
        self.go_to(role, name)
        self.press("Enter")
