"""The admin's list of requests, the page of a decision, and approving several."""
