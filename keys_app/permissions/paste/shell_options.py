"""The options of curl, wget and HTTPie that matter to what they ask for (by their manuals)."""

# fmt: off
SHORT_WITH_VALUE = frozenset("AbcCdDeEFhHKmoPQrtTuUwxXyYz")
LONG_WITH_VALUE = frozenset(
    {
        "request", "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "form", "form-string",
        "json", "url", "user", "header", "output", "cookie", "cookie-jar", "user-agent", "referer", "max-time",
        "connect-timeout", "retry", "retry-delay", "retry-max-time", "proxy", "proxy-user", "cacert", "cert",
        "key", "resolve", "upload-file", "write-out", "config", "url-query", "oauth2-bearer", "interface",
        "limit-rate", "connect-to", "max-redirs", "netrc-file", "cert-type", "key-type", "pass", "ciphers",
        "capath", "output-dir", "trace", "trace-ascii", "stderr", "range",
    }
)
BODY = frozenset(
    {"d", "F", "data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "form", "form-string", "json"}
)
MAY_SAY_MORE = frozenset({"K", "config"})
"""Options of curl that lead to more options, which are not in the paste."""

WGET_WITH_VALUE = frozenset(
    {
        "--method", "--post-data", "--post-file", "--body-data", "--body-file", "--user", "--password",
        "--header", "--output-document", "-O", "-o", "--timeout", "-T", "-t", "-P", "-U", "--user-agent",
        "--tries",
    }
)
HTTPIE_WITH_VALUE = frozenset(
    {
        "-a", "--auth", "-A", "--auth-type", "-o", "--output", "-p", "--print", "-s", "--style", "--session",
        "--timeout", "--verify", "--cert", "--raw", "--proxy",
    }
)
