"""The system's headless Chromium, for tests of what is to be looked at."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDTHS = (1280, 390)  # a desk's window, a telephone's


def find() -> str:
    """The browser's path; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(f"no browser to open reports in: none of {', '.join(NAMES)} is installed")
    return found


@contextmanager
def opened(path: Path, width: int = WIDTHS[0]):
    """The page in a window of this width; at the end nothing may have gone wrong in it, or been asked of a network."""
    driver = pytest.importorskip("playwright.sync_api", reason="no playwright, which requirements-dev.txt pins")
    with driver.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=find())
        page = browser.new_page(viewport={"width": width, "height": 900})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert not said
    assert not [url for url in asked if not url.startswith(("data:", "file:"))]


def fits(page) -> bool:
    """Whether nothing overflows the window sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def check_layout(page) -> None:
    """It fits, and every picture has loaded."""
    assert fits(page)
    pictures = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
    assert pictures
    assert all(pictures)
