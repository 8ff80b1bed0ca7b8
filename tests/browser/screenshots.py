"""Takes the README's pictures into docs/images, and one of every page, theme and width into var/screenshots."""

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from .checkout import ROOT, Demo, copy_checkout
from .conftest import FLAGS, find_chromium

IMAGES = ROOT / "docs" / "images"
EVERY_PAGE = ROOT / "var" / "screenshots"
PAGES = {
    "engineer": ["/", "/requests/", "/requests/new/", "/keys/"],
    "lead": ["/", "/admin/keys_app/keyrequest/"],
    "security": ["/audit/", "/audit/1/", "/audit/reports/", "/audit/reports/decisions/", "/audit/feeds/", "/reviews/"],
    "admin": ["/admin/"],
}


def sign_in(browser: Browser, demo: Demo, name: str, **options: object) -> Page:
    page = browser.new_context(base_url=demo.url, **options).new_page()  # type: ignore[arg-type]
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{demo.url}/")
    return page


def readme_pictures(browser: Browser, demo: Demo) -> None:
    wide = {"viewport": {"width": 1100, "height": 720}}
    engineer = sign_in(browser, demo, "engineer", **wide)
    lead = sign_in(browser, demo, "lead", **wide)
    engineer.get_by_role("link", name="delivery-check").click()
    request_url = engineer.url
    lead.goto(request_url.replace("/requests/", "/admin/keys_app/keyrequest/") + "change/")
    lead.screenshot(path=IMAGES / "approval.png")
    lead.get_by_role("button", name="Approve").click()
    lead.get_by_text("“delivery-check” is approved.").wait_for()
    engineer.reload()
    engineer.get_by_role("button", name="Issue key").click()
    engineer.locator("#key-secret").wait_for()
    engineer.screenshot(path=IMAGES / "issued.png")
    engineer.get_by_role("button", name="I have stored it").click()


def every_page(browser: Browser, demo: Demo) -> None:
    EVERY_PAGE.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            for role, urls in PAGES.items():
                page = sign_in(browser, demo, role, color_scheme=scheme, viewport={"width": width, "height": 800})
                for url in urls:
                    page.goto(url)
                    name = re.sub(r"\W+", "-", f"{role}{url}").strip("-")
                    page.screenshot(path=EVERY_PAGE / f"{name}-{scheme}-{width}.png", full_page=True)
                page.context.close()


def main() -> None:
    chromium = find_chromium()
    if not chromium:
        raise SystemExit("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        copy_checkout(Path(directory))
        demo = Demo(Path(directory)).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            readme_pictures(browser, demo)
            every_page(browser, demo)
        finally:
            browser.close()
            demo.stop()


if __name__ == "__main__":
    main()
