"""How gunicorn serves the portal: `gunicorn -c portal/gunicorn_conf.py portal.wsgi`.

A worker may wait for Twilio up to the client's deadline (30 s), so both timeouts are longer than that:
a stop or a reload lets a key that is being issued finish.
"""

import os

bind = os.environ.get("PORTAL_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("PORTAL_WORKERS", "2"))
threads = int(os.environ.get("PORTAL_THREADS", "16"))
timeout = 60
graceful_timeout = 60
keepalive = 5
max_requests = 0
accesslog = None
# Request lines are short here: the longest carries a filter, never a policy.
limit_request_line = 8190
limit_request_fields = 60
control_socket_disable = True  # nothing here uses it, and two portals of one user would share its path
