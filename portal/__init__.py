"""The site around `keys_app`: settings, middleware, signing in, gunicorn, and the demo."""
