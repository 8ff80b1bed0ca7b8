from django.contrib.admin.apps import AdminConfig


class PortalAdminConfig(AdminConfig):
    """Django's admin, open to approvers as well as to portal admins."""

    default_site = "keys_app.admin_site.PortalAdminSite"
