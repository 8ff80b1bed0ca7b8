"""The ledger as a Django app of its own."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The ledger: its tables belong to nothing else."""

    name = "keys_app.audit"
    label = "audit"
    verbose_name = "Audit"
