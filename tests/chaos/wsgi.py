"""What gunicorn serves in a kill test: the portal's own application, with points to kill it at put around it."""

from django.core.wsgi import get_wsgi_application

from . import mutations, pace, points

application = points.watch_requests(get_wsgi_application())
points.install()
pace.install()
mutations.install()
