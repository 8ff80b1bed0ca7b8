"""How gunicorn serves the portal: `gunicorn -c portal/gunicorn_conf.py portal.wsgi`.

A worker may wait for Twilio up to the client's deadline (30 s), so a stop or a reload gives it twice that
to finish a key that is being issued.
"""

import os
import resource

resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump of a worker would hold what it has in memory

bind = os.environ.get("PORTAL_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("PORTAL_WORKERS", "2"))
threads = int(os.environ.get("PORTAL_THREADS", "16"))
timeout = 60
graceful_timeout = 60
keepalive = 5
control_socket_disable = True  # nothing here uses it, and two portals of one user would share its path
