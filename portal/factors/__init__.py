"""Second factors on the pages: the sign-in library's, with the portal's limits, events, look and encryption.

`settings.py` reads what is set, `adapter.py`, `forms.py`, `stages.py` and `pages.py` are the library's, made to do so,
and `required.py` leads who lacks one to set it up. What is kept is in `keys_app/users/factors.py`.
"""
