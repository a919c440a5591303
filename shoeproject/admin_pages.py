"""What the admins of both apps share: read-only rows, pages beyond Django's own, shown errors.

    class UndoPages(AdminPages):
        @admin_page("undo/", "undo", permission="curation.change_shoeimage")
        def undo_page(self, request):
            return self.render_page(request, "admin/curation/undo_steps.html", "Undo")

A ModelAdmin that inherits from such a class serves its pages at addresses of their own.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from shoeproject.errors import ProjectError


class ReadOnly:
    """Mixin: rows that the project writes and people only read."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin):
    """Admin of read-only rows."""


class ReadOnlyInline(ReadOnly, admin.TabularInline):
    """Table of read-only rows on the page of the row that they belong to."""

    extra = 0


def admin_page(
    route: str, name: str, permission: str | None = None, *, post=False, sign_in=True
) -> Callable:
    """Make a method of an `AdminPages` class the view at `route`, below the list of its model.

    Its URL is named `admin:<app>_<name>`. It raises PermissionDenied for people without
    `permission` and, with `post`, for every request but a POST. With `sign_in=False` the view
    itself answers people who are not signed in to the admin.
    """

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def checked(self: Any, request: HttpRequest, **kwargs: Any) -> Any:
            has_permission = permission is None or request.user.has_perm(permission)
            if not has_permission or (post and request.method != "POST"):
                raise PermissionDenied
            return view(self, request, **kwargs)

        checked.admin_page = (route, name, sign_in)
        return checked

    return decorate


class AdminPages:
    """Mixin for a ModelAdmin: serves the methods that `admin_page` marks."""

    def get_urls(self) -> list[URLPattern]:
        urls = []
        for method, function in inspect.getmembers(type(self), inspect.isfunction):
            if hasattr(function, "admin_page"):
                route, name, sign_in = function.admin_page
                view = getattr(self, method)
                view = self.admin_site.admin_view(view) if sign_in else view
                urls.append(path(route, view, name=f"{self.opts.app_label}_{name}"))
        return urls + super().get_urls()  # the admin's own end in a pattern that takes everything

    def render_page(
        self, request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
    ) -> TemplateResponse:
        """Return a page made of `template` with the admin's header and navigation."""
        frame = {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
        return TemplateResponse(request, template, {**frame, **context}, status=status)


def submitted(request: HttpRequest, field: str) -> QueryDict | None:
    """Return the data of a form from the request's body or query; None where it lacks `field`."""
    data = request.POST if request.method == "POST" else request.GET
    return data if field in data else None


@contextmanager
def show_errors(modeladmin: admin.ModelAdmin, request: HttpRequest) -> Iterator[None]:
    """Show a ProjectError of the block as a message on the next admin page."""
    try:
        yield
    except ProjectError as error:
        modeladmin.message_user(request, error.detail, messages.ERROR)


@contextmanager
def form_errors() -> Iterator[None]:
    """Turn a ProjectError of the block into a ValidationError, for the `clean` of a form."""
    try:
        yield
    except ProjectError as error:
        raise ValidationError(error.detail) from error
