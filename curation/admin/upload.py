"""Admin pages where curators upload pictures, a ZIP or a CSV, and label all of it at once."""

import json
from functools import wraps

from django import forms
from django.conf import settings
from django.core import signing
from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import JsonResponse, UnreadablePostError
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from curation.admin.permissions import ADD_IMPORTS
from curation.imports import uploads
from curation.models import Import, ShoeImage, ShoeType
from shoeproject.admin_pages import AdminPages, admin_page
from shoeproject.errors import ProjectError

SALT = "curation.upload"
PLAIN_PART = 0  # what a form without script sends; a script's parts are numbered from 1
SLACK = 1024**2  # bytes of a request around its files
MOST_PART = 99_999


class UploadForm(forms.Form):
    """What all pictures of an upload have in common."""

    label = forms.ModelChoiceField(
        ShoeType.objects.filter(merged_into=None),
        required=False,
        empty_label="As folders or the CSV say",
        label="what they show",
    )
    source = forms.CharField(
        max_length=200, required=False, help_text="Who the pictures came from: a shop, a person"
    )
    licence = forms.CharField(max_length=200, initial="unknown", help_text="As their owner says")
    scene = forms.ChoiceField(
        choices=ShoeImage.Scene.choices,
        initial=ShoeImage.Scene.UNKNOWN,
        help_text="Where they were photographed",
    )
    keep_copies = forms.BooleanField(
        required=False, label="Take in near copies of pictures that are here already, too"
    )


def large_upload(view):
    """Make a view write its uploads to temporary files instead of keeping them in memory.

    The upload handler has to be set before anything reads the form, and the CSRF check reads it,
    so the check runs afterwards.
    """
    protected = method_decorator(csrf_protect)(view)

    @csrf_exempt
    @wraps(view)
    def wrapper(self, request):
        if request.method != "POST":
            return protected(self, request)
        most = settings.UPLOAD_MAX_BYTES
        if int(request.META.get("CONTENT_LENGTH") or 0) > most + SLACK:
            why = f"One upload has at most {most / 1024**2:,.0f} MB; send it in several."
            return self._refusal(request, why, 413)
        request.upload_handlers = [TemporaryFileUploadHandler(request)]
        try:
            request.POST  # noqa: B018  (reads the form)
        except TooManyFilesSent:
            most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
            why = f"This browser sent more than {most} files in one go; pack them into a ZIP."
            return self._refusal(request, why, 400)
        except UnreadablePostError:  # an OSError, but of the connection
            raise
        except OSError as error:
            why = f"The server cannot keep the files for now ({error.strerror}). Try later."
            return self._refusal(request, why, 507)
        return protected(self, request)

    return wrapper


class UploadPages(AdminPages):
    """Mixin for the admin of imports."""

    @admin_page("upload/", "import_upload", ADD_IMPORTS)
    @large_upload
    def upload_page(self, request):
        """Show the form (GET); keep its files and queue the import (POST)."""
        if request.method != "POST":
            uploads.remove_abandoned()
            return self._render_upload(request, UploadForm())
        form, token = UploadForm(request.POST), request.POST.get("upload", "")
        try:
            upload = _upload_of(request, token)
        except ProjectError as error:
            form.full_clean()
            form.add_error(None, error.detail)
            return self._render_upload(request, form)
        # The form may be sent twice.
        job = Import.objects.filter(upload=upload).first() or _queue_import(request, form, upload)
        if job is None:
            return self._render_upload(request, form, token=token, held=uploads.size_of(upload))
        return redirect("admin:curation_import_change", job.pk)

    @admin_page("upload/part/", "import_upload_part", ADD_IMPORTS)
    @large_upload
    def part_view(self, request):
        """Keep one group of files that the page's script sends; answers in JSON."""
        try:
            upload = _upload_of(request, request.POST.get("upload", ""))
            held = uploads.add_part(upload, *_part(request))
        except ProjectError as error:
            return JsonResponse({"error": error.detail}, status=400)
        return JsonResponse({"files": held.files, "bytes": held.bytes})

    @admin_page("upload/drop/", "import_upload_drop", ADD_IMPORTS, post=True)
    @large_upload
    def drop_view(self, request):
        """Remove what was uploaded so far; answers in JSON with the token of a new upload."""
        try:
            upload = _upload_of(request, request.POST.get("upload", ""))
        except ProjectError as error:
            return JsonResponse({"error": error.detail}, status=400)
        if not Import.objects.filter(upload=upload).exists():
            uploads.cancel(upload)
        return JsonResponse({"upload": _new_token(request)})

    def _refusal(self, request, why: str, status: int):
        """Answer a request whose form was not read, in JSON where it asks for that."""
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"error": why}, status=status)
        form = UploadForm({})
        form.full_clean()
        form.errors.clear()
        form.add_error(None, why)
        return self._render_upload(request, form, status=status)

    def _render_upload(self, request, form, *, token: str | None = None, held=None, status=200):
        limits = {
            "files": settings.UPLOAD_MAX_FILES, "bytes": settings.UPLOAD_MAX_BYTES,
            "picture": settings.IMAGE_MAX_BYTES, "csv": settings.IMPORT_CSV_MAX_BYTES,
        }  # fmt: skip
        return self.render_page(
            request, "admin/curation/import/upload.html", "Upload pictures", status,
            form=form, token=token or _new_token(request), held=held, limits=limits,
            part=reverse("admin:curation_import_upload_part"),
            drop=reverse("admin:curation_import_upload_drop"),
        )  # fmt: skip


def _queue_import(request, form: UploadForm, upload: str) -> Import | None:
    """Queue the import of an upload; return None where the form is invalid or gets an error."""
    valid = form.is_valid()
    try:
        if files := request.FILES.getlist("files"):
            uploads.add_part(upload, PLAIN_PART, [(file.name, file) for file in files])
        description = uploads.check(upload)
        if valid and not form.cleaned_data["label"] and not uploads.in_folders(upload):
            form.add_error("label", "Choose what they show: they lie in no folders.")
    except ProjectError as error:
        form.add_error(None, error.detail)
    if not form.is_valid():
        return None
    job = Import(upload=upload, path=description, asked_by=request.user, **form.cleaned_data)
    job.save()
    job.ring()
    return job


def _new_token(request) -> str:
    return signing.dumps([uploads.new_id(), request.user.pk], salt=SALT)


def _upload_of(request, token: str) -> str:
    """Return where the storage keeps the upload of a token, which holds its id and its user.

    Raises `UploadRefused` where the token is damaged, too old or another person's.
    """
    try:
        upload_id, user = signing.loads(
            token, salt=SALT, max_age=settings.UPLOAD_KEEP_HOURS * 3600
        )  # fmt: skip
    except signing.SignatureExpired:
        why = "This page is too old, and what was uploaded is gone; choose the files again."
        raise uploads.UploadRefused(why) from None
    except signing.BadSignature:
        raise uploads.UploadRefused("This page is damaged; open it again.") from None
    if user != request.user.pk:
        raise uploads.UploadRefused("Somebody else began this upload; open the page again.")
    return uploads.storage_path(upload_id)


def _part(request) -> tuple[int, list]:
    """Return the number of a part and its (name, file) pairs; raises `UploadRefused`."""
    files = request.FILES.getlist("files")
    try:
        part = int(request.POST["part"])
        names = json.loads(request.POST["names"])
        if not (files and PLAIN_PART < part <= MOST_PART):
            raise ValueError
        if not all(isinstance(name, str) for name in names):
            raise ValueError
        return part, list(zip(names, files, strict=True))
    except (KeyError, ValueError, TypeError):
        why = "The browser sent something else than files; open the page again."
        raise uploads.UploadRefused(why) from None
