"""How gunicorn serves the portal: `gunicorn -c portal/gunicorn_conf.py portal.wsgi`.

Threads wait for Twilio, so there are many more of them than calls to Twilio that may run at once. A request makes
at most two calls in a row that each take the client's whole deadline (a new key is made and, if it has another
policy than the approved one, deleted). A stop or a reload waits that long for the key that is being issued.
"""

import math
import resource
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from portal import env

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump of a worker would hold what it has in memory

try:
    bind = env.bind()
    workers = env.workers()
    threads = env.threads()
    env.twilio_concurrency()  # refused here, before a worker is started
    _deadline = env.twilio_deadline()
    head_deadline, body_deadline, send_deadline = env.head_deadline(), env.body_deadline(), env.send_deadline()
except ImproperlyConfigured as error:
    raise SystemExit(f"gunicorn: {error}") from None

worker_class = "portal.serving.worker.PortalWorker"
worker_connections = 500  # of each process, below the 1024 open files it may have
sendfile = False  # it would wait for the client
timeout = math.ceil(2 * _deadline) + 10
graceful_timeout = timeout
keepalive = 5
secure_scheme_headers: dict[str, str] = {}  # `portal.proxies` says whose are believed, and PORTAL_BASE_URL the scheme
forwarder_headers = ""  # or a client of a proxy on this machine could set the path with a header
control_socket_disable = True  # nothing here uses it, and two portals of one user would share its path


def post_worker_init(worker: Any) -> None:
    """Start no worker that can read no credential; let each look for silent processes beside it."""
    from portal import encryption, watch  # noqa: PLC0415 (there is no Django yet when gunicorn reads this file)

    encryption.refuse_worker(worker)
    watch.start()
