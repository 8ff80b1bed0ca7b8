"""A simulator of Twilio's Key resource, v1, for development and tests. It makes keys that open nothing.

It speaks what Twilio's documentation says and what published tests have seen, over real HTTP on 127.0.0.1,
and fails on demand. Run it with `python -m keys_app.twilio_sandbox --port 0`.
"""
