"""Every page in every role's browser, without a console error or a policy violation, and not too heavy."""

import gzip
import re

import pytest

from .checkout import ON_SQLITE, Demo, token_in

pytestmark = [pytest.mark.browser, ON_SQLITE]

PAGES = {
    "engineer": ["/", "/requests/", "/requests/new/", "/keys/", "/accounts/password/change/", "/nowhere/", "/audit/",
                 "/accounts/profile/", "/accounts/sessions/"],
    "lead": ["/", "/requests/", "/admin/", "/admin/keys_app/keyrequest/", "/admin/keys_app/team/", "/reviews/",
             "/deputies/", "/admin/keys_app/keyrequest/?show=all", "/admin/keys_app/keyrequest/several/"],
    "security": ["/", "/audit/", "/audit/?q=action:key.*+-risk:low", "/audit/1/", "/audit/reports/",
                 "/audit/reports/keys/", "/audit/reports/decisions/", "/audit/feeds/", "/reviews/", "/keys/",
                 "/requests/", "/admin/keys_app/keyrequest/", "/accounts/logout/"],
    "admin": ["/", "/admin/", "/admin/auth/user/", "/admin/auth/user/1/change/", "/admin/auth/user/1/password/",
              "/admin/auth/user/1/delete/", "/admin/auth/user/invite/", "/admin/auth/group/",
              "/admin/auth/group/1/change/", "/admin/keys_app/team/",
              "/admin/keys_app/team/1/change/", "/admin/keys_app/team/add/",
              "/admin/keys_app/account/", "/admin/keys_app/approvalrule/", "/admin/keys_app/approvalrule/add/",
              "/admin/keys_app/webhook/", "/admin/keys_app/webhook/add/", "/admin/keys_app/cataloguepermission/",
              "/admin/keys_app/cataloguepermission/add/", "/admin/keys_app/providergroup/add/",
              "/admin/keys_app/identity/"],
}  # fmt: skip
REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 40[34]")
LIMIT = 100_000
ON_TOP = """link => [.1, .5, .9].every(part => {
    const box = link.getBoundingClientRect();
    return link.contains(document.elementFromPoint(box.x + part * box.width, box.y + box.height / 2));
})"""


def _links(demo: Demo, role: str, page: str, pattern: str) -> list[str]:
    """Return one address of each kind of object that a list page links to."""
    text = demo.sign_in(role).get(demo.url + page, timeout=30).text
    return sorted(set(re.findall(pattern, text)))[:2]


@pytest.mark.parametrize("role", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_has_no_console_error_and_fits_a_narrow_screen(sign_in, demo: Demo, role: str, scheme: str):
    tab = sign_in(role, color_scheme=scheme, viewport={"width": 360, "height": 740})
    urls = list(PAGES[role])
    if role != "admin":
        urls += _links(demo, role, "/requests/", r"/requests/[0-9a-f-]{36}/")
        urls += _links(demo, role, "/keys/", r"/keys/SK[0-9a-f]{32}/")
    if role == "security":
        urls += _links(demo, role, "/audit/?q=action:key.issued", r"/audit/keys/SK[0-9a-f]{32}/")
    if role in ("lead", "security"):
        changes = r"/admin/keys_app/keyrequest/[0-9a-f-]{36}/change/"
        urls += _links(demo, role, "/admin/keys_app/keyrequest/?show=all", changes)
        urls += [f"/admin/keys_app/keyrequest/several/?id={url.split('/')[4]}" for url in urls[-2:]]
    for url in urls:
        tab.page.goto(url)
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{url} is {width} px wide"
    assert [text for text in tab.complaints if not REFUSALS.match(text)] == []


@pytest.mark.parametrize(("role", "url"), [("lead", "/reviews/"), ("security", "/audit/feeds/")])
def test_its_menus_are_one_row_on_a_narrow_screen_and_reached_by_keyboard(sign_in, role: str, url: str):
    page = sign_in(role, viewport={"width": 360, "height": 740}).page
    page.goto(url)
    for menu in page.get_by_role("navigation").all():
        links = menu.get_by_role("link").all()
        assert len({(link.bounding_box() or {})["y"] for link in links}) == 1
        assert menu.locator("[aria-current]").evaluate(ON_TOP), "the current item is not in view"
        links[0].focus()
        for link in links:
            assert link.evaluate("link => link === document.activeElement")
            assert link.evaluate(ON_TOP), f"{link.inner_text()} has the focus and is not in view"
            page.keyboard.press("Tab")


@pytest.mark.parametrize(("role", "url"), [("engineer", "/requests/new/"), ("security", "/audit/"), ("lead", "/")])
def test_it_stays_under_100_kb_compressed(demo: Demo, role: str, url: str):
    session = demo.sign_in(role)
    page = session.get(demo.url + url, timeout=30)
    parts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    bodies = [page.content, *(session.get(demo.url + part, timeout=30).content for part in set(parts))]
    assert len(bodies) >= 4
    assert sum(len(gzip.compress(body)) for body in bodies) < LIMIT


def test_it_shows_problems_of_issuing_in_a_dialog(sign_in, demo: Demo):
    tab = sign_in("engineer")
    session = demo.sign_in("engineer")
    page = session.get(f"{demo.url}/requests/new/", timeout=30).text
    account = re.search(r"AC[0-9a-f]{32}", page)
    assert account
    data = {
        "csrfmiddlewaretoken": token_in(page),
        "account": account.group(),
        "friendly_name": "twice",
        "purpose": "Press in two windows.",
        "lifetime_days": "5",
        "permissions": "/twilio/billing/usage/read",
    }
    url = session.post(f"{demo.url}/requests/new/", data=data, timeout=30).url
    lead = sign_in("lead")
    lead.page.goto(url.replace("/requests/", "/admin/keys_app/keyrequest/") + "change/")
    lead.page.get_by_role("button", name="Approve").click()
    tab.page.goto(url)
    other = tab.context.new_page()
    other.goto(url)
    other.get_by_role("button", name="Issue key").click()
    other.locator("#key-secret").wait_for()
    tab.page.get_by_role("button", name="Issue key").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_text("This key was issued already").wait_for()
    assert "Erin Engineer" in dialog.inner_text()
