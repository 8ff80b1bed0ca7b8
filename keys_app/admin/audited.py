"""The base of what portal admins edit."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection
from django.db.models import Field, QuerySet
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.utils import ErrorDict
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.http import urlencode

from keys_app.core.typed import line_problem, prose_problem
from keys_app.forms import ModelForm, Row
from keys_app.organisation import access
from keys_app.organisation.recorded_state import lock_and_read
from keys_app.organisation.sent_forms import claim
from keys_app.users.admin_events import record_admin_change
from keys_app.views.http.actor import actor_of
from keys_app.views.http.drafts import given_back
from keys_app.views.http.signed_in import signed_in

from .worded import PlainFields, WordedChangeList

if TYPE_CHECKING:

    class ModelAdmin(admin.ModelAdmin[Row]):
        """Django's own, with the type argument that only its stubs know."""

    _AnyForm = ModelForm[Any]  # AsShown is mixed into the form of whatever model
else:
    _AnyForm = object

    class ModelAdmin(admin.ModelAdmin, Generic[Row]):
        """Django's own, which takes no type argument by itself."""

        def get_action_choices(self, request: HttpRequest, default_choices: Any = (("", "Choose…"),)) -> Any:
            return super().get_action_choices(request, list(default_choices))


def _rule(field: forms.Field) -> Callable[[str], None] | None:
    """Return the rule of a field that people type text into; None for others, and for what is never shown again."""
    if not isinstance(field, forms.CharField) or isinstance(field.widget, (forms.PasswordInput, forms.HiddenInput)):
        return None
    what = str(field.label or "text").lower()
    is_prose = isinstance(field.widget, forms.Textarea)

    def check(text: str) -> None:
        problem = prose_problem(text, len(text), what) if is_prose else line_problem(text, what)
        if problem:
            raise ValidationError(problem)

    return check


def _read_numbers_of_rows(field: "forms.ModelChoiceField[Any]", number: "Field[Any, Any]") -> None:
    """Let what can't be the number of a row be none that is there: widgets and the field put it into a query."""

    def possible(text: str) -> str:
        try:
            number.clean(text, None)
        except ValidationError:
            return "0"
        return text

    def guarded(widget: forms.Widget) -> forms.Widget:
        read = widget.value_from_datadict

        def read_possible(*args: Any) -> Any:
            given = read(*args)
            return [possible(one) for one in given] if isinstance(given, list) else given and possible(given)

        setattr(widget, "value_from_datadict", read_possible)  # noqa: B010 a form has its own widgets
        return widget

    make_hidden = field.hidden_widget  # for what the page showed, made anew each time
    guarded(field.widget)
    setattr(field, "hidden_widget", lambda: guarded(make_hidden()))  # noqa: B010 the same


class Typed(_AnyForm):
    """Holds what is typed in a form to the rule of `core/typed.py`, and what is chosen to what can be chosen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if rule := _rule(field):
                field.validators = [*field.validators, rule]
            if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
                _read_numbers_of_rows(field, field.queryset.model._meta.pk)


class AsShown(_AnyForm):
    """Makes a form take for changed what differs from what its page showed, not from what is stored by now.

    So a page that was opened before another change, as in a second tab, does not undo it. A form posted without what
    the page showed, as a script does it, is compared with what is stored. A form's `columns` names, for a field which
    is none of the model's own, the columns that hold it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        has_shown = not self.is_bound or any(name.startswith(self.add_initial_prefix("")) for name in self.data)
        for field in self.fields.values():
            field.show_hidden_initial = has_shown and not field.disabled  # a disabled one may be a password's hash

    @property
    def changed_columns(self) -> list[str]:
        own = {field.name for field in self._meta.model._meta.concrete_fields}
        kept_in = getattr(self, "columns", {})
        columns = [kept_in.get(name, [name]) for name in self.changed_data]
        return sorted(own & {column for names in columns for column in names})


class AsShownForm(AsShown, Typed, ModelForm[Row]):
    """For the rows of an inline. One that is sent as it was shown is not looked at: a team may have hundreds."""

    @cached_property
    def changed_data(self) -> list[str]:
        return [] if self._is_as_shown else super().changed_data

    def full_clean(self) -> None:
        if not self._is_as_shown:
            super().full_clean()
            return
        self._errors = ErrorDict()
        self.cleaned_data = {one.name: getattr(self.instance, one.attname) for one in self.instance._meta.fields}

    @cached_property
    def _is_as_shown(self) -> bool:
        """Whether each box of a stored row has, letter for letter, what the page showed; so it is not to be deleted."""
        if not (self.is_bound and self.instance.pk) or self.add_prefix(DELETION_FIELD_NAME) in self.data:
            return False
        asked = [name for name, field in self.fields.items() if field.show_hidden_initial]
        shown = [self.data.get(self.add_initial_prefix(name)) for name in asked]
        return bool(asked) and [str(self[name].data) for name in asked] == shown


class AuditedAdmin(PlainFields, ModelAdmin[Row]):
    """For portal admins alone. Writes what was changed, and nothing else, with its event in the same transaction.

    Each says in words what its rows are: `many` as a title, `one` inside a sentence, and what they are for.
    """

    many = one = what_for = ""
    filter_titles: dict[str, str] = {}
    add_form_template = "admin/keys_app/add_form.html"
    instead_of_deleting = "Leave it as it is."
    actions = None  # deleting several at once is not one transaction

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the filters that are shown and nothing else: an address can ask for more than a page offers."""
        return lookup.removesuffix("__exact").removesuffix("__id") in self.list_filter

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        return request.user.is_superuser

    def why_it_stays(self, request: HttpRequest, obj: Row) -> str:
        """Return why this can't be deleted; empty if nothing speaks of it."""
        protected = self.get_deleted_objects([obj], request)[3]
        return f"“{obj}” has a history: requests, keys or decisions speak of it." if protected else ""

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse to delete what has a history, on the page where what to do instead is done."""
        obj = self._stored(request, object_id)
        if obj is not None and self.has_delete_permission(request, obj) and (why := self.why_it_stays(request, obj)):
            self.message_user(request, f"{why} It can't be deleted. {self.instead_of_deleting}", messages.ERROR)
            here = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])
            return HttpResponseRedirect(here)
        words = {"many": self.many, "one": self.one, "shown_name": self.shown_name(obj) if obj else ""}
        return super().delete_view(request, object_id, {**words, **(extra_context or {})})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Lead to the audit, which has the history; for who may not read that, there is none here.

        Who it is comes first: Django tells everyone whom it lets into the admin whether there is such an object.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self._stored(request, unquote(object_id))
        if obj is None or not access.person(signed_in(request)).is_security:
            raise Http404("no history here")
        return HttpResponseRedirect(f"{reverse('portal:audit_list')}?{urlencode({'q': self.audit_search(obj)})}")

    def audit_search(self, obj: Row) -> str:
        """Return what finds an object's events in the audit."""
        name = str(obj).replace('"', " ").strip()
        return f'action:{self.opts.model_name}.* "{name}"'

    def shown_name(self, obj: Row) -> str:
        """Return what an object's page is called."""
        return str(obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WordedChangeList]:
        return WordedChangeList

    def _stored(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Row | None:
        """Return the row; None for what can be no key of one. Django asks that only where the key is no relation."""
        target = self.opts.pk.remote_field
        try:
            if target:
                target.model._meta.pk.clean(object_id, None)
        except ValidationError:
            return None
        return super().get_object(request, object_id, from_field)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Row | None:
        """Return the row; one that is about to be changed is locked, and what it is now is kept for the event."""
        obj = self._stored(request, object_id, from_field)
        if obj is not None and request.method == "POST" and connection.in_atomic_block:
            before = lock_and_read(obj)
            obj = super().get_object(request, object_id, from_field)  # as it is under the lock
            obj.state_before = before  # type: ignore[union-attr]  # it is there, locked, and keeps this for its event
        return obj

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if kwargs.get("add"):
            context["title"] = f"Add {self.one}"
        elif obj := context.get("original"):
            context["shown_name"] = self.shown_name(obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Check again what another user saved at the same moment: now the form finds it, and says so at its place."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except IntegrityError:
            return super().changeform_view(request, *args, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().get_changeform_initial_data(request), **given_back(request, request.path).each()}

    def get_form(self, request: HttpRequest, obj: Row | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (AsShown, Typed, form) if change else (Typed, form), {})

    def save_model(self, request: HttpRequest, obj: Row, form: Any, change: bool) -> None:
        if not change:
            claim(actor_of(request), reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_changelist"))
            super().save_model(request, obj, form, change)
            return
        if form.changed_columns:
            obj.save(update_fields=form.changed_columns)
        obj.refresh_from_db()  # the event tells what it is now

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            for field in form.instance._meta.many_to_many:
                if field.name not in form.changed_data:
                    form.cleaned_data.pop(field.name, None)
        super().save_related(request, form, formsets, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        for row in formset.deleted_objects:
            row.delete()
        for row, changed in formset.changed_objects:
            row.save(update_fields=changed)
        for row in formset.new_objects:
            row.save()
        formset.save_m2m()

    def log_addition(self, request: HttpRequest, obj: Row, message: Any) -> Any:
        record_admin_change(actor=actor_of(request), what="created", subject=obj, changes=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Row, message: Any) -> Any:
        before = getattr(obj, "state_before", None)
        record_admin_change(actor=actor_of(request), what="changed", subject=obj, changes=message, before=before)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Row]) -> Any:
        for obj in queryset:
            before = getattr(obj, "state_before", None)
            record_admin_change(actor=actor_of(request), what="deleted", subject=obj, changes=[], before=before)
        return super().log_deletions(request, queryset)
