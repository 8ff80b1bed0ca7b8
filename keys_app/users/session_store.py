"""Django's sessions, each loaded together with when it began and was last used: one query, as without."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.db.models import OuterRef, Subquery
from django.utils import timezone


class SessionStore(DatabaseStore):
    """A session of the database. What is known of its use has a row of its own, which ends with the session.

    In the session itself the time would be written with everything else in it, and of two requests at once the later
    one to end would undo what the other stored.
    """

    begun: datetime | None = None
    last_used: datetime | None = None
    """None before a session is loaded, and for one whose use was never noted: `sessions.note_use` begins it."""

    def _get_session_from_db(self) -> Session | None:
        """Return the row of the session, as Django's own does."""
        use = UserSession.objects.filter(session_key=OuterRef("session_key"))
        alive = Session.objects.filter(session_key=self.session_key, expire_date__gt=timezone.now())
        times = alive.annotate(begun=Subquery(use.values("created_at")), last_used=Subquery(use.values("last_seen_at")))
        row = times.first()
        if row is None:
            self._session_key = None
        else:
            self.begun, self.last_used = row.begun, row.last_used
        return row

    def cycle_key(self) -> None:
        """Give the session another key, as Django does when a user signs in or sets a password; its use goes along."""
        use = UserSession.objects.filter(session_key=self.session_key).first() if self.session_key else None
        super().cycle_key()
        if use:
            use.session_key = self.session_key
            use.save(force_insert=True)

    def delete(self, session_key: str | None = None) -> None:
        """Remove a session, this one unless another is named, and what is known of it."""
        key = session_key or self.session_key
        super().delete(session_key)
        UserSession.objects.filter(session_key=key).delete()
