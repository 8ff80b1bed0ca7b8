"""All settings of the portal. Everything that differs between places comes from the environment.

Each setting can also be given as a file: `PORTAL_SECRET_KEY_FILE=/run/secrets/…`. `portal.env` reads them.
There is no debug switch: a debug page shows local variables, and one of them may be a secret.
"""

import base64
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port

from keys_app.audit.merkle.signed_note import BadKey, SignerKey, VerifierKey
from portal import env
from portal.factors import settings as factors
from portal.oidc import settings as oidc
from portal.serving import body_limits
from portal.weak_secrets import require_random

BASE_DIR = Path(__file__).resolve().parent.parent

env.refuse_key_log()

DEBUG = False
SECRET_KEY = env.secret(
    "PORTAL_SECRET_KEY", "At least 50 random characters; openssl rand -base64 48 makes them.", least=50
)
_FERNET_KEYS = (
    "Fernet keys separated by commas, the newest first: python -c 'from cryptography.fernet import Fernet; "
    "print(Fernet.generate_key().decode())'"
)
ENCRYPTION_KEYS = env.secret("PORTAL_ENCRYPTION_KEYS", _FERNET_KEYS).split(",")
for key in ENCRYPTION_KEYS:
    try:
        Fernet(key.strip())
    except ValueError:
        raise ImproperlyConfigured("PORTAL_ENCRYPTION_KEYS holds something that is not a Fernet key.") from None
# The first encrypts. Weak ones behind it may stay, to read what they encrypted: `portal.checks` warns of them.
for form in (base64.urlsafe_b64decode(ENCRYPTION_KEYS[0].strip()), ENCRYPTION_KEYS[0].strip()):
    require_random("PORTAL_ENCRYPTION_KEYS' first key", form, f"Put a random one in front of it. {_FERNET_KEYS}")

BASE_URL = env.origin("PORTAL_BASE_URL", "http://127.0.0.1:8000")
HTTPS = BASE_URL.scheme == "https"
ALLOWED_HOSTS, HOSTS_WITH_ANY_PORT = env.hosts("PORTAL_ALLOWED_HOSTS", split_domain_port(BASE_URL.netloc)[0])
CSRF_TRUSTED_ORIGINS = [BASE_URL.geturl()]
# Whose word is taken about a client, and how many there are: `portal.proxies`.
PROXY_ADDRESSES = env.networks("PORTAL_PROXY_ADDRESSES")
TRUSTED_PROXIES = env.number("PORTAL_TRUSTED_PROXIES", 0, least=0, most=100)

# The name and the key the ledger's checkpoints are signed with. Without a key none are signed.
AUDIT_ORIGIN = env.text("PORTAL_AUDIT_ORIGIN", f"{BASE_URL.hostname}/audit")
AUDIT_SIGNING_KEY = env.private("PORTAL_AUDIT_SIGNING_KEY")
AUDIT_OLD_VERIFIER_KEYS = env.listed("PORTAL_AUDIT_OLD_VERIFIER_KEYS")
CHECKPOINT_DIR = env.path("PORTAL_CHECKPOINT_DIR", BASE_DIR / "var" / "checkpoints")
try:
    _signer = SignerKey.parse(AUDIT_ORIGIN, AUDIT_SIGNING_KEY or base64.b64encode(bytes(32)).decode())
except BadKey as error:
    raise ImproperlyConfigured(f"PORTAL_AUDIT_SIGNING_KEY or PORTAL_AUDIT_ORIGIN: {error}.") from None
try:
    for key in AUDIT_OLD_VERIFIER_KEYS:
        VerifierKey.parse(key)
except BadKey as error:
    raise ImproperlyConfigured(f"PORTAL_AUDIT_OLD_VERIFIER_KEYS: {error}.") from None
for form in (base64.b64decode(AUDIT_SIGNING_KEY), AUDIT_SIGNING_KEY) if AUDIT_SIGNING_KEY else ():
    require_random(
        "PORTAL_AUDIT_SIGNING_KEY",
        form,
        "openssl rand -base64 32 makes one. If it was in use, add its public half to PORTAL_AUDIT_OLD_VERIFIER_KEYS, "
        f"so that what it signed still verifies: {_signer.verifier}",
    )
del form, key, _signer

TWILIO_IAM_BASE_URL = env.origin("TWILIO_IAM_BASE_URL", "https://iam.twilio.com")
# Seconds. Connecting and each gap between two reads are bounded, and the whole call is.
TWILIO_CONNECT_TIMEOUT = env.decimal("PORTAL_TWILIO_CONNECT_TIMEOUT", 5.0, least=0.1, most=300)
TWILIO_READ_TIMEOUT = env.decimal("PORTAL_TWILIO_READ_TIMEOUT", 15.0, least=0.1, most=300)
TWILIO_DEADLINE = env.twilio_deadline()
TWILIO_CONCURRENCY = env.twilio_concurrency()

# Where `manage.py audit_push` sends the audit's events, and what it shows a webhook to be let in.
AUDIT_PUSH_URL = env.text("PORTAL_AUDIT_PUSH_URL")
AUDIT_PUSH_TOKEN = env.private("PORTAL_AUDIT_PUSH_TOKEN")

# Lets a monitor ask `/readyz?workers=1` how the processes beside the portal are.
METRICS_TOKEN = env.secret("PORTAL_METRICS_TOKEN", "openssl rand -hex 16 makes one.", least=20, needed=False)

CATALOGUE_FILE = env.text("PORTAL_CATALOGUE_FILE")  # permissions the package does not have
CONFIRM_WITHIN = env.seconds("PORTAL_CONFIRM_WITHIN", 900, least=0)
RECONCILE_GRACE = env.seconds("PORTAL_RECONCILE_GRACE", 900, least=0)
# The work of one run for each account: how many keys are fetched and how many deleted at most, how soon a key is
# looked at again, and how many seconds are waited in all for a Twilio that is busy.
RECONCILE_LOOKS = env.number("PORTAL_RECONCILE_LOOKS", 100, least=0, most=100_000)
RECONCILE_DELETES = env.number("PORTAL_RECONCILE_DELETES", 100, least=0, most=100_000)
RECONCILE_LOOK_EVERY = env.seconds("PORTAL_RECONCILE_LOOK_EVERY", 3600, least=0)
RECONCILE_PATIENCE = env.decimal("PORTAL_RECONCILE_PATIENCE", 30.0, least=0, most=3600)
# An account is reported after this many failed runs in a row, the reconciler itself after this time without a run.
ORPHAN_WITHIN = env.seconds("PORTAL_ORPHAN_WITHIN", 3600, least=0)
RECONCILE_FAILED_RUNS = env.number("PORTAL_RECONCILE_FAILED_RUNS", 5, least=1, most=1000)
RECONCILE_LATE_AFTER = env.seconds("PORTAL_RECONCILE_LATE_AFTER", 900)
# What waits for Twilio this long after the portal itself would have settled it is an alarm.
STUCK_AFTER = env.seconds("PORTAL_STUCK_AFTER", 900)
# A lead has this long to take over the keys of somebody who left.
LEAVER_GRACE = timedelta(days=env.number("PORTAL_LEAVER_DAYS", 14, least=0, most=3650))
# An operator's own tasks, in the form of keys_app/permissions/data/templates.toml; same slugs replace the package's.
TEMPLATES_FILE = Path(tasks) if (tasks := env.text("PORTAL_TEMPLATES_FILE")) else None

# A request nobody decided, and an approval nobody used, come to an end.
PENDING_LAPSES_AFTER = env.seconds("PORTAL_PENDING_LAPSES_AFTER", 14 * env.DAY)
APPROVAL_LAPSES_AFTER = env.seconds("PORTAL_APPROVAL_LAPSES_AFTER", 3 * env.DAY)
MAX_REPLACEMENTS = 3
# How often within an hour each user may do what costs others work or makes keys; 0 is without a limit.
LIMITS = env.limits("PORTAL_LIMITS", {"requests": 30, "comments": 60, "exports": 20, "pastes": 300, "issues": 30})

INSTALLED_APPS = [
    "portal.apps.PortalAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "post_office",
    "keys_app.audit",
    "keys_app",
    "django.contrib.auth",  # after keys_app, whose createsuperuser and changepassword leave an event
]

MIDDLEWARE = [
    "portal.own_address.SchemeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.request_id.RequestIdMiddleware",
    "portal.middleware.NoStoreMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.middleware.ProbeMiddleware",  # those above look at no Host, those below refuse a probe's
    "portal.own_address.OwnAddressMiddleware",  # those below see the portal's own address in Host, Origin and Referer
    "portal.middleware.RefuseNulMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "portal.middleware.SessionUserMiddleware",
    "portal.middleware.BodyLimitMiddleware",
    "portal.middleware.SentOnceMiddleware",
    "portal.middleware.HashingBusyMiddleware",
    "portal.middleware.SignInMiddleware",
    "portal.oidc.no_rights.NoRightsMiddleware",
    "portal.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.factors.required.RequireFactorMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["keys_app.templatetags.wording"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "keys_app.views.http.context.portal",
            ],
        },
    }
]

SQLITE_OPTIONS = {
    # Writers queue instead of failing half-way, and a commit is on the disk before Twilio is asked.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}

DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{BASE_DIR / 'var' / 'portal.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["ENGINE"] = "keys_app.core.sqlite3"  # which makes a new file for its owner alone
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
    # A file, because tests with several connections cannot share one in memory.
    DATABASES["default"]["TEST"] = {"NAME": BASE_DIR / "var" / "test.sqlite3"}
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds, for each address
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True  # PgBouncer may give each transaction another connection
DATABASES["default"]["ATOMIC_REQUESTS"] = False  # issuing commits before and after it calls Twilio
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["portal.accounts.PortalBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "portal.password_validators.RepetitionValidator"},
    {"NAME": "portal.password_validators.NamesValidator"},
]
PASSWORD_HASHERS = ["portal.password_hashers.PortalArgon2Hasher", "portal.password_hashers.OlderHasher"]
SOCIALACCOUNT_ADAPTER = "portal.oidc.provider.CompanyAdapter"
ACCOUNT_ADAPTER = "portal.accounts.PortalAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# The portal's own limits stand before every form that takes a password or a mail address (keys_app/users/limits.py).
# The library's would count in the memory of one process, under the Host that a request names.
ACCOUNT_RATE_LIMITS = False
ACCOUNT_FORMS = {
    "change_password": "portal.account_forms.ChangePasswordForm",
    "reset_password": "portal.account_forms.ResetPasswordForm",
    "reset_password_from_key": "portal.account_forms.ResetPasswordKeyForm",
}
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # an address that is no one's gets no mail
ACCOUNT_SESSION_REMEMBER = False
OIDC = oidc.read()
LOCAL_SIGN_IN = oidc.local_sign_in(OIDC)
vars().update(factors.read())
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

# What matters needs a sign-in of at most so many seconds ago; 0 is of any time (keys_app/users/fresh.py).
REAUTHENTICATE_AFTER = env.number("PORTAL_REAUTHENTICATE_AFTER", 900, least=0, most=env.DAY)
SESSION_ENGINE = "keys_app.users.session_store"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_IDLE = env.seconds("PORTAL_SESSION_IDLE", 2 * 60 * 60, least=0, most=env.DAY)  # 0: as long as it lasts
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # the cookie's name can't begin with __Host-
CSRF_FAILURE_VIEW = "keys_app.views.http.error_pages.csrf_failure"
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # HSTS for subdomains, and W021, for the lists of browsers: other services may have those names
    "security.W008",  # a redirect to https: what came over http is refused, see portal.proxies
    "security.W021",
]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "object-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# A request form posts one field per chosen permission, unknown ones included: room for that, but not for more.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1500
DATA_UPLOAD_MAX_MEMORY_SIZE = body_limits.LARGEST  # what each page reads is less, see there
FILE_UPLOAD_HANDLERS: list[str] = []  # nothing here takes a file

STATIC_URL = "/static/"
STATIC_ROOT = env.path("PORTAL_STATIC_ROOT", BASE_DIR / "var" / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SENDS_MAIL = env.is_set("EMAIL_URL")
vars().update(env.mail("EMAIL_URL", "dummymail://"))
EMAIL_TIMEOUT = 15  # seconds for each step; without it a silent mail server would stop the sender for good
DEFAULT_FROM_EMAIL = env.text("PORTAL_FROM_EMAIL", "key-portal@localhost")

# Notices wait in the database, in post_office's tables; a mail with a token is written as it is sent, and kept nowhere.
DIGEST_HOUR = env.number("PORTAL_DIGEST_HOUR", 7, least=0, most=23)  # in UTC
WEBHOOK_ALLOW_PRIVATE = env.switch("PORTAL_WEBHOOK_ALLOW_PRIVATE")
WEBHOOK_HOSTS = env.host_names("PORTAL_WEBHOOK_HOSTS")  # none: any public one
# Seconds for each step and for a whole delivery.
WEBHOOK_TIMEOUT, WEBHOOK_DEADLINE = 5.0, 10.0

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "portal.formats"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"refusals": {"()": "portal.logs.RefusalFilter"}},
    "formatters": {"masked": {"()": "portal.logs.MaskingFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "masked", "filters": ["refusals"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django would mail tracebacks to administrators and print through a handler of its own.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        "urllib3": {"level": "WARNING"},
        # With no handler of its own, post_office would set one up that masks nothing.
        "post_office": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}
