"""Django's admin as an app of the portal."""

from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from portal import schema


class PortalAdminConfig(AdminConfig):
    """Django's admin, open to approvers as well as to portal admins."""

    default_site = "keys_app.admin_site.PortalAdminSite"

    def ready(self) -> None:
        super().ready()
        from portal import encryption, exposed, proxies, reauthentication  # noqa: PLC0415 (they need the models)
        from portal.oidc import checks as oidc  # noqa: PLC0415

        reauthentication.watch()
        register(schema.check, Tags.database)
        register(encryption.warn, Tags.database)
        register(oidc.of_database, Tags.database)
        register(oidc.check, Tags.security, deploy=True)
        register(proxies.check)
        register(exposed.check)
        register(encryption.check, Tags.security, deploy=True)
