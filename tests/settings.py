"""The portal's own settings, with what makes tests quick and independent of the machine."""

import os

from cryptography.fernet import Fernet

os.environ.setdefault("PORTAL_SECRET_KEY", "only-for-tests-Zq7vX2mKd9RtLw4HbYc8NfJp3GsAeUo6Tx5Ki1Mz")
os.environ.setdefault("PORTAL_ENCRYPTION_KEYS", Fernet.generate_key().decode())
os.environ.setdefault("PORTAL_AUDIT_SIGNING_KEY", "qyXC5wNvJ9Fzi6rFNhyn85YqM8BBuLGz2KrMlTKp8tM=")
os.environ["TWILIO_IAM_BASE_URL"] = "http://127.0.0.1:9"  # nobody listens there: a test names its own stand-in

from portal.settings import *  # noqa: F403

STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
ALLOWED_HOSTS = HOSTS_WITH_ANY_PORT = ["testserver", "127.0.0.1"]
REQUIRE_MFA: list[str] = []  # a test's people sign in without a page in between; those of factors set it
OIDC_MFA: list[str] = []
LIMITS = dict.fromkeys(LIMITS, 0)  # noqa: F405 one test does what a user does in days; those of limits set them
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # SQLite lets writers in by chance, not in turn. However slow the disk, no test is decided by who waited too long.
    DATABASES["default"]["OPTIONS"] = {**SQLITE_OPTIONS, "timeout": 300}  # noqa: F405
