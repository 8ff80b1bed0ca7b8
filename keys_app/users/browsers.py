"""Names a browser in words. Only those are kept: all that it sends would tell more of a user than a list needs."""

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
    ("python", "a Python script"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
"""Most browsers call themselves by older names as well, so that the first that fits is the right one."""


def browser_in_words(user_agent: str) -> str:
    """Return which browser on which system a `User-Agent` header names: “Firefox on Linux”."""
    browser = _first(_BROWSERS, user_agent) or "An unknown browser"
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: tuple[tuple[str, str], ...], text: str) -> str:
    return next((words for part, words in names if part in text), "")
