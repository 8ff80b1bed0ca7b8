"""What gunicorn serves where Twilio is a server of this machine with a certificate of its own."""

import os

from keys_app.core.http import connection
from portal.wsgi import application

connection.DEFAULT_CA_BUNDLE_PATH = os.environ["BENCH_CA_FILE"]

__all__ = ["application"]
