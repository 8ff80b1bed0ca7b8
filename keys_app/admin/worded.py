"""Forms and lists of the admin in the portal's words."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.contrib.auth.models import User
from django.http import HttpRequest

from keys_app.core.actor import name_and_login

if TYPE_CHECKING:
    _Fields = admin.options.BaseModelAdmin[Any]
else:
    _Fields = admin.options.BaseModelAdmin


class PlainFields(_Fields):
    """Fields without Django's icons beside them, and with words where nothing is chosen."""

    empty_labels: dict[str, str] = {}

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        is_empty_at_first = db_field.blank or not db_field.has_default()
        kwargs.setdefault("choices", db_field.get_choices(is_empty_at_first, [("", "Choose…")]))
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        without = "None" if db_field.blank else "Choose…"
        kwargs.setdefault("empty_label", self.empty_labels.get(db_field.name, without))
        if db_field.remote_field.model is User:
            kwargs.setdefault("queryset", User.objects.order_by("first_name", "last_name", "username"))
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.remote_field.model is User and field is not None:
            setattr(field, "label_from_instance", name_and_login)  # noqa: B010 as Django says to do
        return field


class WordedChangeList(ChangeList):
    """A list whose title and filters are named in the portal's words."""

    model_admin: Any  # an `AuditedAdmin`

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.title = self.model_admin.many

    def get_filters(self, request: HttpRequest) -> Any:
        found = super().get_filters(request)
        for spec in found[0]:
            spec.title = self.model_admin.filter_titles.get(getattr(spec, "field_path", ""), spec.title)
        return found
