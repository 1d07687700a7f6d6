"""The page, as whoever uses it meets it."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Dialog, Locator, Page

_RECORDER = Path(__file__).with_name("recorder.js")


class Screen:
    """A window of its own with the page in it; what the browser complains of is kept."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self._complaints: list[str] = []
        self._expected: list[str] = []
        page.on("console", lambda message: message.type == "error" and self._complaints.append(message.text))
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.add_init_script(path=_RECORDER)

        self.connection = page.locator("#connection")
        self.key = page.get_by_label("Key", exact=True)
        self.provider = page.get_by_label("Provider", exact=True)
        self.prompt = page.get_by_label("Prompt", exact=True)
        self.generate = page.get_by_role("button", name="Generate")
        self.form_status = page.locator("#form-status")
        self.rows = page.locator(".row")
        self.toasts = page.locator(".toast")
        self.projects = page.locator("#projects .project")
        self.project = page.locator("#project-summary .project")
        self.steps = page.locator(".step")

    def open(self, key: str | None = None) -> None:
        """Load the page, with a key in its address or without one."""
        self.page.goto(f"{self.url}/#key={key}" if key else self.url)

    def ask_for(self, prompt: str, provider: str = "runware") -> None:
        """Fill the form and send it."""
        self.provider.select_option(provider)
        self.prompt.fill(prompt)
        self.generate.click()

    def row(self, prompt: str) -> Locator:
        """What is shown of the generation with this prompt."""
        return self.rows.filter(has=self.page.get_by_role("heading", name=prompt, exact=True))

    def status(self, prompt: str) -> Locator:
        return self.row(prompt).locator(".status")

    def step(self, key: str) -> Locator:
        """What is shown of this step of the project that is open."""
        return self.steps.filter(has=self.page.locator(".key").get_by_text(key, exact=True))

    def open_project(self, id: str) -> None:
        """Load the page with this project open; the key is there already."""
        self.page.goto(f"{self.url}/#project={id}")

    def progress(self, prompt: str) -> Locator:
        return self.row(prompt).get_by_role("progressbar")

    def seen(self, what: str) -> Any:
        """What recorder.js noted since the page was loaded: ``statuses`` and ``progress`` by prompt, ``toasts``, ``modes``."""
        return self.page.evaluate(f"seen.{what}")

    def expect_complaints(self, pattern: str) -> None:
        """Let the browser complain of what a test brings about."""
        self._expected.append(pattern)

    @property
    def unexpected_complaints(self) -> list[str]:
        return [one for one in self._complaints if not any(re.search(pattern, one) for pattern in self._expected)]

    def _dismiss(self, dialog: Dialog) -> None:
        self._complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()
