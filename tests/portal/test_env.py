"""Each setting of the portal is read from its variable or a file, without the line's end, and within bounds."""

import ast
import os
import runpy
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from portal import env

from .test_settings import NEEDED, ROOT, SECRET_KEY

# The value of each setting, not the default's, and what shows that it was read: the name it has in the settings or in
# gunicorn's configuration.
SETTINGS = {
    "PORTAL_SECRET_KEY": ("$" + SECRET_KEY, "SECRET_KEY"),
    "PORTAL_ENCRYPTION_KEYS": (Fernet.generate_key().decode(), "ENCRYPTION_KEYS"),
    "PORTAL_BASE_URL": ("https://portal.example.com", "BASE_URL"),
    "PORTAL_ALLOWED_HOSTS": ("one.example.com, two.example.com", "ALLOWED_HOSTS"),
    "PORTAL_TRUSTED_PROXIES": ("1", "TRUSTED_PROXIES"),
    "PORTAL_PROXY_ADDRESSES": ("10.0.1.0/24, 127.0.0.1, 2001:db8::/64", "PROXY_ADDRESSES"),
    "PORTAL_AUDIT_ORIGIN": ("example.com/ledger", "AUDIT_ORIGIN"),
    "PORTAL_AUDIT_SIGNING_KEY": ("qyXC5wNvJ9Fzi6rFNhyn85YqM8BBuLGz2KrMlTKp8tM=", "AUDIT_SIGNING_KEY"),
    "PORTAL_AUDIT_OLD_VERIFIER_KEYS": (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "AUDIT_OLD_VERIFIER_KEYS",
    ),
    "PORTAL_AUDIT_PUSH_URL": ("https://audit.example.com/in", "AUDIT_PUSH_URL"),
    "PORTAL_AUDIT_PUSH_TOKEN": ("token", "AUDIT_PUSH_TOKEN"),
    "PORTAL_CHECKPOINT_DIR": ("/srv/checkpoints", "CHECKPOINT_DIR"),
    "TWILIO_IAM_BASE_URL": ("http://127.0.0.1:9", "TWILIO_IAM_BASE_URL"),
    "PORTAL_TWILIO_CONNECT_TIMEOUT": ("4.5", "TWILIO_CONNECT_TIMEOUT"),
    "PORTAL_TWILIO_READ_TIMEOUT": ("14.5", "TWILIO_READ_TIMEOUT"),
    "PORTAL_TWILIO_DEADLINE": ("29.5", "TWILIO_DEADLINE"),
    "PORTAL_TWILIO_CONCURRENCY": ("3", "TWILIO_CONCURRENCY"),
    "PORTAL_CATALOGUE_FILE": ("/etc/permissions.tsv", "CATALOGUE_FILE"),
    "PORTAL_TEMPLATES_FILE": ("/etc/tasks.toml", "TEMPLATES_FILE"),
    "PORTAL_CONFIRM_WITHIN": ("60", "CONFIRM_WITHIN"),
    "PORTAL_RECONCILE_GRACE": ("60", "RECONCILE_GRACE"),
    "PORTAL_ORPHAN_WITHIN": ("60", "ORPHAN_WITHIN"),
    "PORTAL_RECONCILE_LOOKS": ("50", "RECONCILE_LOOKS"),
    "PORTAL_RECONCILE_DELETES": ("50", "RECONCILE_DELETES"),
    "PORTAL_RECONCILE_LOOK_EVERY": ("60", "RECONCILE_LOOK_EVERY"),
    "PORTAL_RECONCILE_PATIENCE": ("1.5", "RECONCILE_PATIENCE"),
    "PORTAL_RECONCILE_FAILED_RUNS": ("3", "RECONCILE_FAILED_RUNS"),
    "PORTAL_RECONCILE_LATE_AFTER": ("60", "RECONCILE_LATE_AFTER"),
    "PORTAL_STUCK_AFTER": ("60", "STUCK_AFTER"),
    "PORTAL_LIMITS": ("requests=5, exports=0", "LIMITS"),
    "PORTAL_REAUTHENTICATE_AFTER": ("600", "REAUTHENTICATE_AFTER"),
    "PORTAL_SESSION_IDLE": ("600", "SESSION_IDLE"),
    "PORTAL_REQUIRE_MFA": ("admins, security", "REQUIRE_MFA"),
    "PORTAL_OIDC_MFA": ("mfa, hwk", "OIDC_MFA"),
    "PORTAL_METRICS_TOKEN": ("5e0b7f3c9a1d46285e0b7f3c9a1d4629", "METRICS_TOKEN"),
    "PORTAL_LEAVER_DAYS": ("7", "LEAVER_GRACE"),
    "PORTAL_PENDING_LAPSES_AFTER": ("60", "PENDING_LAPSES_AFTER"),
    "PORTAL_APPROVAL_LAPSES_AFTER": ("60", "APPROVAL_LAPSES_AFTER"),
    "PORTAL_OIDC_ISSUER": ("https://login.example.com/company", "OIDC"),
    "PORTAL_OIDC_CLIENT_ID": ("portal", "OIDC"),
    "PORTAL_OIDC_CLIENT_SECRET": ("only-for-tests", "OIDC"),
    "PORTAL_OIDC_NAME": ("Example Login", "OIDC"),
    "PORTAL_OIDC_SCOPES": ("openid email", "OIDC"),
    "PORTAL_OIDC_GROUPS_CLAIM": ("roles", "OIDC"),
    "PORTAL_OIDC_GROUPS_FILE": ("/etc/groups.toml", "OIDC"),
    "PORTAL_LOCAL_SIGN_IN": ("0", "LOCAL_SIGN_IN"),
    "DATABASE_URL": ("postgres://user:pa$word@127.0.0.1/portal", "DATABASES"),
    "PORTAL_STATIC_ROOT": ("/srv/static", "STATIC_ROOT"),
    "EMAIL_URL": ("smtp://mail.example.com:25", "EMAIL_HOST"),
    "PORTAL_FROM_EMAIL": ("Key portal <keys@example.com>", "DEFAULT_FROM_EMAIL"),
    "PORTAL_DIGEST_HOUR": ("8", "DIGEST_HOUR"),
    "PORTAL_WEBHOOK_ALLOW_PRIVATE": ("1", "WEBHOOK_ALLOW_PRIVATE"),
    "PORTAL_WEBHOOK_HOSTS": ("hooks.example.com, *.chat.example.com", "WEBHOOK_HOSTS"),
    "PORTAL_BIND": ("127.0.0.1:9000", "bind"),
    "PORTAL_WORKERS": ("3", "workers"),
    "PORTAL_THREADS": ("8", "threads"),
    "PORTAL_HEAD_DEADLINE": ("5", "head_deadline"),
    "PORTAL_BODY_DEADLINE": ("20", "body_deadline"),
    "PORTAL_SEND_DEADLINE": ("20", "send_deadline"),
}
OF_THE_DEMO = {"PORT"}
CLIENT = {"PORTAL_OIDC_CLIENT_ID": "portal", "PORTAL_OIDC_CLIENT_SECRET": "only-for-tests"}
WITH = {
    "PORTAL_OIDC_ISSUER": CLIENT,
    "PORTAL_LOCAL_SIGN_IN": {**CLIENT, "PORTAL_OIDC_ISSUER": "https://login.example.com"},
}
"""What a setting is refused without."""
READERS = {name for name, value in vars(env).items() if getattr(value, "__module__", "") == env.__name__}
# A command is handed a credential, or the demo's sample people; processes are handed on what they need.
READ_ELSEWHERE = {
    "keys_app/backup/postgresql.py",
    "keys_app/management/commands/connect_account.py",
    "keys_app/management/commands/demo_data.py",
    "keys_app/twilio_sandbox/run.py",
    "manage.py",
    "portal/demo.py",
    "portal/wsgi.py",
}


@pytest.fixture
def read(monkeypatch):
    """Return what the settings and gunicorn's configuration are with these variables and no others."""

    def with_variables(**variables):
        with monkeypatch.context() as patch:
            for name in list(os.environ):
                if name.startswith(("PORTAL_", "TWILIO_", "DATABASE_URL", "EMAIL_URL")):
                    patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            return {
                **runpy.run_path(str(ROOT / "portal" / "gunicorn_conf.py")),
                **runpy.run_path(str(ROOT / "portal" / "settings.py")),
            }

    return with_variables


@pytest.fixture
def refusal(read):
    """Return why the portal does not start with these variables."""

    def with_variables(**variables):
        with pytest.raises((ImproperlyConfigured, SystemExit)) as refused:
            read(**{**NEEDED, **variables})
        return str(refused.value).removeprefix("gunicorn: ")

    return with_variables


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_comes_from_its_variable_or_a_file(name, read, tmp_path):
    value, attribute = SETTINGS[name]
    (tmp_path / "value").write_text(value + "\n")
    default = read(**NEEDED, **WITH.get(name, {}))[attribute]
    for given in ({name: value}, {name: value + "\n"}, {f"{name}_FILE": str(tmp_path / "value")}):
        needed = {needed: key for needed, key in {**NEEDED, **WITH.get(name, {})}.items() if needed != name}
        found = read(**needed, **given)[attribute]
        assert found != default
        assert "\n" not in str(found)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_the_same_from_a_file_as_from_its_variable(name, read, tmp_path):
    value, attribute = SETTINGS[name]
    (tmp_path / "value").write_text(value + "\r\n")
    needed = {**NEEDED, **WITH.get(name, {})}
    from_file = read(**{**needed, f"{name}_FILE": str(tmp_path / "value")})
    assert from_file[attribute] == read(**{**needed, name: value})[attribute]


def test_the_table_has_every_setting_that_is_read():
    names = set()
    for file, tree in _product():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _reads(call.func) and call.args:
                assert isinstance(call.args[0], ast.Constant), f"{file}: name the setting where it is read"
                names.add(call.args[0].value)
            elif file == "portal/env.py" and isinstance(call, ast.Call) and _names_one(call):
                names.add(call.args[0].value)
    assert names == SETTINGS.keys() | OF_THE_DEMO


def test_nothing_else_reads_the_environment():
    readers = {file for file, tree in _product() if any(_is_environment(node) for node in ast.walk(tree))}
    assert readers - {"portal/env.py"} == READ_ELSEWHERE


def _product():
    for path in [*(ROOT / "portal").rglob("*.py"), *(ROOT / "keys_app").rglob("*.py"), ROOT / "manage.py"]:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def _reads(function):
    """Tell whether a call is `env.number(…)` or another of the readers."""
    of_env = getattr(getattr(function, "value", None), "id", "") == "env"
    return of_env and function.attr in READERS


def _names_one(call):
    """Tell whether a call within `portal.env` is `number("NAME", …)` or another of the readers."""
    return getattr(call.func, "id", "") in READERS and call.args and isinstance(call.args[0], ast.Constant)


def _is_environment(node):
    return (
        isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and getattr(node.value, "id", "") == "os"
    )


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_database_url_is_refused(value, refusal):
    assert refusal(DATABASE_URL=value).startswith("DATABASE_URL is empty. Set it to postgres://")


@pytest.mark.parametrize("value", ["$DB", "${DB}", "$", "postgres://${USER}:${PASSWORD}@host/name"])
@pytest.mark.parametrize("name", ["DATABASE_URL", "EMAIL_URL"])
def test_a_url_that_was_not_expanded_is_refused(name, value, refusal):
    assert refusal(**{name: value}).startswith(f"{name} holds the name of a variable ($…)")


@pytest.mark.parametrize(
    "value", ["mysql://root:hidden@host/name", "portal", "postgres://root:hidden@host:port/name", "/var/portal.sqlite3"]
)
def test_another_database_is_refused_without_its_password(value, refusal):
    said = refusal(DATABASE_URL=value)
    assert said.startswith("DATABASE_URL must be postgres://")
    assert "hidden" not in said


@pytest.mark.parametrize("value", ["", "mail.example.com", "smtp://user:hidden@host:port"])
def test_a_mail_server_that_is_none_is_refused_without_its_password(value, refusal):
    said = refusal(EMAIL_URL=value)
    assert said.startswith("EMAIL_URL ")
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("PORTAL_TRUSTED_PROXIES", 0, 100),
        ("PORTAL_CONFIRM_WITHIN", 0, 315360000),
        ("PORTAL_RECONCILE_GRACE", 0, 315360000),
        ("PORTAL_ORPHAN_WITHIN", 0, 315360000),
        ("PORTAL_RECONCILE_LOOKS", 0, 100000),
        ("PORTAL_RECONCILE_DELETES", 0, 100000),
        ("PORTAL_RECONCILE_LOOK_EVERY", 0, 315360000),
        ("PORTAL_RECONCILE_PATIENCE", 0, 3600),
        ("PORTAL_RECONCILE_FAILED_RUNS", 1, 1000),
        ("PORTAL_RECONCILE_LATE_AFTER", 1, 315360000),
        ("PORTAL_STUCK_AFTER", 1, 315360000),
        ("PORTAL_LEAVER_DAYS", 0, 3650),
        ("PORTAL_PENDING_LAPSES_AFTER", 1, 315360000),
        ("PORTAL_APPROVAL_LAPSES_AFTER", 1, 315360000),
        ("PORTAL_DIGEST_HOUR", 0, 23),
        ("PORTAL_REAUTHENTICATE_AFTER", 0, 86400),
        ("PORTAL_SESSION_IDLE", 0, 86400),
        ("PORTAL_HEAD_DEADLINE", 1, 60),
        ("PORTAL_BODY_DEADLINE", 1, 600),
        ("PORTAL_SEND_DEADLINE", 1, 600),
    ],
)
def test_a_number_out_of_bounds_is_refused_with_what_it_is(name, least, most, read, refusal):
    for value in (str(least), str(most)):
        read(**NEEDED, **{name: value})
    for value in (str(least - 1), str(most + 1), "soon", ""):
        assert f"number from {least} to {most}, not “{value}”." in refusal(**{name: value})


@pytest.mark.parametrize(("value", "on"), [("1", True), ("True", True), ("on", True), ("0", False), ("no", False)])
def test_a_switch_is_on_or_off(value, on, read):
    assert read(**NEEDED, PORTAL_WEBHOOK_ALLOW_PRIVATE=value)["WEBHOOK_ALLOW_PRIVATE"] is on


@pytest.mark.parametrize("value", ["", "maybe"])
def test_a_switch_that_is_neither_is_refused(value, refusal):
    said = refusal(PORTAL_WEBHOOK_ALLOW_PRIVATE=value)
    assert said == f"PORTAL_WEBHOOK_ALLOW_PRIVATE must be 1 or 0, not “{value}”."


@pytest.mark.parametrize("value", ["proxy", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1:8000", "::ffff:10.0.0.0/104", "*"])
def test_what_is_no_network_is_refused(value, refusal):
    said = refusal(PORTAL_PROXY_ADDRESSES=f"127.0.0.1, {value}")
    assert said.startswith("PORTAL_PROXY_ADDRESSES must be networks such as 10.0.1.0/24")
    assert f"not “{value}”." in said


@pytest.mark.parametrize("value", ["portal.example.com:8443", "[::1]:8000", "127.0.0.1:80"])
def test_a_host_with_a_port_of_its_own_is_refused(value, refusal):
    assert f"PORTAL_BASE_URL, or name:* for any port, not “{value}”." in refusal(PORTAL_ALLOWED_HOSTS=value)


@pytest.mark.parametrize(
    "value", ["*", "https://hooks.example.com", "hooks.example.com:443", "a.*.com", "*example.com", "a b"]
)
def test_what_is_no_host_for_webhooks_is_refused(value, read, refusal):
    assert refusal(PORTAL_WEBHOOK_HOSTS=f"hooks.example.com, {value}").endswith(f"not “{value}”.")
    found = read(**NEEDED, PORTAL_WEBHOOK_HOSTS="Hooks.Example.com., *.example.org,10.1.2.3,2001:db8::1")
    assert found["WEBHOOK_HOSTS"] == ["hooks.example.com", "*.example.org", "10.1.2.3", "2001:db8::1"]


def test_a_host_may_have_any_port(read):
    found = read(**NEEDED, PORTAL_ALLOWED_HOSTS="Portal.example.com, localhost:*,[::1]:*,[::2]")
    assert found["ALLOWED_HOSTS"] == ["portal.example.com", "localhost", "[::1]", "[::2]"]
    assert found["HOSTS_WITH_ANY_PORT"] == ["localhost", "[::1]"]


@pytest.mark.parametrize(
    ("value", "origin", "host"),
    [
        ("https://Portal.Example.com:443/", "https://portal.example.com", "portal.example.com"),
        ("https://portal.example.com:8443", "https://portal.example.com:8443", "portal.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000", "[::1]"),
        ("http://127.0.0.1:80", "http://127.0.0.1", "127.0.0.1"),
    ],
)
def test_its_own_address_is_read_as_browsers_write_it(value, origin, host, read):
    found = read(**NEEDED, PORTAL_BASE_URL=value)
    assert (found["BASE_URL"].geturl(), found["ALLOWED_HOSTS"]) == (origin, [host])


LIMITS = {"requests": 30, "comments": 60, "exports": 20, "pastes": 300, "issues": 30}


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (None, LIMITS),
        ("requests=5", {**LIMITS, "requests": 5}),
        (" issues=1 , pastes=0 ", {**LIMITS, "issues": 1, "pastes": 0}),
        ("0", dict.fromkeys(LIMITS, 0)),
    ],
)
def test_a_limit_that_is_left_out_keeps_its_own(value, limits, read):
    given = {} if value is None else {"PORTAL_LIMITS": value}
    assert read(**NEEDED, **given)["LIMITS"] == limits


BAD_LIMITS = ["", "5", "off", "requests", "requests=", "requests=-1", "requests=1.5", "requests=1e3", "requests=100000"]


@pytest.mark.parametrize(
    "value",
    [
        *BAD_LIMITS,
        "keys=5",
        "requests=1,requests=2",
        "requests=1;comments=2",
        "requests=1,",
        "requests = 1",
        "requests=٣",
    ],
)
def test_limits_that_are_none_are_refused(value, refusal):
    said = refusal(PORTAL_LIMITS=value)
    assert said.startswith("PORTAL_LIMITS must be 0, or numbers up to 99999 for some of requests=30,comments=60,")
    assert said.endswith(f"not “{value}”.")


@pytest.mark.parametrize("name", ["PORTAL_STATIC_ROOT", "PORTAL_CHECKPOINT_DIR", "PORTAL_FROM_EMAIL", "PORTAL_BIND"])
def test_a_setting_that_has_a_default_is_not_empty(name, refusal):
    assert refusal(**{name: ""}) == f"{name} must not be empty."


def test_an_address_is_repeated_but_not_with_a_password(refusal):
    assert "not “http://portal.example.com”." in refusal(PORTAL_BASE_URL="http://portal.example.com")
    assert "hidden" not in refusal(PORTAL_BASE_URL="https://user:hidden@portal.example.com")


def test_a_file_that_is_none_is_not_named(refusal):
    """The variable may hold the secret itself."""
    assert "s" * 50 not in refusal(PORTAL_SECRET_KEY_FILE="s" * 50)


def test_a_file_wins_over_the_variable(read, tmp_path):
    file = Path(tmp_path / "sender")
    file.write_text("file@example.com\n")
    given = {"PORTAL_FROM_EMAIL": "variable@example.com", "PORTAL_FROM_EMAIL_FILE": str(file)}
    assert read(**NEEDED, **given)["DEFAULT_FROM_EMAIL"] == "file@example.com"


@pytest.mark.parametrize("missing", CLIENT)
def test_a_provider_needs_a_client(missing, refusal):
    given = {"PORTAL_OIDC_ISSUER": "https://login.example.com", **CLIENT, missing: ""}
    assert "set PORTAL_OIDC_CLIENT_ID and PORTAL_OIDC_CLIENT_SECRET" in refusal(**given)


@pytest.mark.parametrize("value", ["http://login.example.com", "http://10.0.0.1", "ftp://127.0.0.1"])
def test_a_provider_is_asked_over_https(value, refusal):
    assert "PORTAL_OIDC_ISSUER must start with https://" in refusal(PORTAL_OIDC_ISSUER=value, **CLIENT)


@pytest.mark.parametrize(
    "value",
    ["login.example.com", "https://", "https://host?q=1", "https://host#x", "https://a:hidden@host", "https://ho st"],
)
def test_what_is_no_issuer_is_refused(value, refusal):
    said = refusal(PORTAL_OIDC_ISSUER=value, **CLIENT)
    assert said.startswith("PORTAL_OIDC_ISSUER must be an issuer such as https://login.example.com/realms/company")
    assert "hidden" not in said


@pytest.mark.parametrize("value", ["https://login.example.com/", "http://127.0.0.1:9000", "https://host:8443/a/b"])
def test_an_issuer_is_kept_as_it_is_written(value, read):
    assert read(**NEEDED, **CLIENT, PORTAL_OIDC_ISSUER=value)["OIDC"].issuer == value


def test_without_openid_there_is_no_openid_connect(refusal):
    assert refusal(PORTAL_OIDC_SCOPES="profile email").startswith("PORTAL_OIDC_SCOPES must hold openid")


def test_the_secret_of_the_client_is_not_shown(read):
    assert "only-for-tests" not in str(read(**NEEDED, **CLIENT)["OIDC"])


def test_passwords_are_not_off_without_a_provider(refusal):
    assert refusal(PORTAL_LOCAL_SIGN_IN="0").startswith("PORTAL_LOCAL_SIGN_IN is 0: set PORTAL_OIDC_ISSUER")
