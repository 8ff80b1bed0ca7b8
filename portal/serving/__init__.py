"""How requests reach the portal: gunicorn's threaded worker, but that a slow client holds no thread.

`worker.py` is the worker, `connection.py` one client, `request_end.py` where a request ends, `answer_buffer.py` what a
client has yet to take of its answer, `body_limits.py` how much each page reads.
"""
