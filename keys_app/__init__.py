"""The portal. Its version has its one home here; `pyproject.toml` repeats it, and a test holds it to this."""

__version__ = "0.9.8"
