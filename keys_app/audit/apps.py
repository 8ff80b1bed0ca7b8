from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "keys_app.audit"
    label = "audit"
    verbose_name = "Audit"
