"""The events explain every request, approval and key that the portal's own steps leave behind."""

from keys_app.reconcile.row_check import RowCheck


def test_the_events_explain_every_row_of_this_world(world):
    """But for the keys whose expiry the world moved, so that they are about to expire or overdue."""
    found = []
    RowCheck(found.append).run()
    moved = {words.split()[2].rstrip(":") for words in found if "its expiry is" in words}
    assert len(found) == len(moved)
    assert moved == {world.kinds[kind].key.pk for kind in ("expiring", "expired", "overdue")}
