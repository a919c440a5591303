"""Admin pages where curators upload pictures, a ZIP or a CSV, and label all of it at once."""

import json
from functools import wraps

from django import forms
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied, TooManyFilesSent
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import JsonResponse, UnreadablePostError
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from curation.imports import uploads
from curation.models import Import, ShoeImage, ShoeType
from shoeproject.errors import ProjectError

SALT = "curation.upload"
PLAIN_PART = 0  # what a form without script sends; a script's parts begin after it
SLACK = 1024**2  # bytes of a request around its files
MOST_PART = 99_999


class UploadForm(forms.Form):
    """What all of an upload has in common."""

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


class UploadPages:
    """Mixed into the admin of imports."""

    def get_urls(self):
        """The pages' addresses, before the admin's own."""
        views = {"upload": self.upload_page, "upload/part": self.part_view}
        views["upload/drop"] = self.drop_view
        return [
            *(
                path(f"{route}/", self.admin_site.admin_view(self._large(view)),
                     name=f"curation_import_{route.replace('/', '_')}")
                for route, view in views.items()
            ),
            *super().get_urls(),
        ]  # fmt: skip

    def _large(self, view):
        """A view whose uploads go to files, not into memory as those of visitors do.

        The handlers have to be set before anything reads the form, and checking the CSRF token
        reads it: so the check comes after them.
        """
        protected = csrf_protect(view)

        @csrf_exempt
        @wraps(view)
        def outer(request):
            if not self.has_add_permission(request):
                raise PermissionDenied
            if request.method != "POST":
                return protected(request)
            most = settings.UPLOAD_MAX_BYTES
            if int(request.META.get("CONTENT_LENGTH") or 0) > most + SLACK:
                why = f"One upload has at most {most / 1024**2:,.0f} MB; send it in several."
                return self._refuse(request, why, 413)
            request.upload_handlers = [TemporaryFileUploadHandler(request)]
            try:
                request.POST  # noqa: B018  (reads the form)
            except TooManyFilesSent:
                return self._refuse(
                    request, f"This browser sent more than {settings.DATA_UPLOAD_MAX_NUMBER_FILES} "
                    "files in one go; pack them into a ZIP.", 400,
                )  # fmt: skip
            except UnreadablePostError:
                raise
            except OSError as error:
                why = f"The server cannot keep the files for now ({error.strerror}). Try later."
                return self._refuse(request, why, 507)
            return protected(request)

        return outer

    def upload_page(self, request):
        """Choose files and say what they are; a POST keeps files, and queues the import."""
        if request.method != "POST":
            uploads.sweep()
            return self._page(request, UploadForm(), _token(request, uploads.new_id()))
        form, token = UploadForm(request.POST), request.POST.get("upload", "")
        try:
            upload = _place(request, token)
        except ProjectError as error:
            form.full_clean()
            form.add_error(None, error.detail)
            return self._page(request, form, _token(request, uploads.new_id()))
        there = Import.objects.filter(upload=upload).first()  # sent twice
        job = there or self._ask(request, form, upload)
        if job is None:
            return self._page(request, form, token, uploads.held(upload))
        return redirect("admin:curation_import_change", job.pk)

    def part_view(self, request):
        """Keep one group of files, for the page's script; JSON."""
        try:
            upload = _place(request, request.POST.get("upload", ""))
            held = uploads.add_part(upload, *_part(request))
        except ProjectError as error:
            return JsonResponse({"error": error.detail}, status=400)
        return JsonResponse({"files": held.files, "bytes": held.bytes})

    def drop_view(self, request):
        """Forget what was uploaded so far, for the page's script; JSON with what names the next."""
        if request.method != "POST":
            raise PermissionDenied
        try:
            upload = _place(request, request.POST.get("upload", ""))
        except ProjectError as error:
            return JsonResponse({"error": error.detail}, status=400)
        if not Import.objects.filter(upload=upload).exists():
            uploads.drop(upload)
        return JsonResponse({"upload": _token(request, uploads.new_id())})

    def _ask(self, request, form: UploadForm, upload: str) -> Import | None:
        """The import, queued; None where the form says what is wrong."""
        valid = form.is_valid()
        try:
            if files := request.FILES.getlist("files"):
                uploads.add_part(upload, PLAIN_PART, [(file.name, file) for file in files])
            words = uploads.check(upload)
            if valid and not form.cleaned_data["label"] and not uploads.in_folders(upload):
                form.add_error("label", "Choose what they show: they lie in no folders.")
        except ProjectError as error:
            form.add_error(None, error.detail)
        if not form.is_valid():
            return None
        job = Import(upload=upload, path=words, asked_by=request.user, **form.cleaned_data)
        job.save()
        job.ring()
        return job

    def _refuse(self, request, why: str, status: int):
        """Say why a request was not even read."""
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"error": why}, status=status)
        form = UploadForm({})
        form.full_clean()
        form.errors.clear()
        form.add_error(None, why)
        answer = self._page(request, form, _token(request, uploads.new_id()))
        answer.status_code = status
        return answer

    def _page(self, request, form, token: str, held: uploads.Held | None = None):
        limits = {
            "files": settings.UPLOAD_MAX_FILES, "bytes": settings.UPLOAD_MAX_BYTES,
            "picture": settings.IMAGE_MAX_BYTES, "csv": settings.IMPORT_CSV_MAX_BYTES,
        }  # fmt: skip
        context = {
            **self.admin_site.each_context(request), "title": "Upload pictures",
            "opts": self.opts, "form": form, "token": token, "held": held, "limits": limits,
            "part": reverse("admin:curation_import_upload_part"),
            "drop": reverse("admin:curation_import_upload_drop"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/curation/import/upload.html", context)


def _token(request, upload_id: str) -> str:
    return signing.dumps([upload_id, request.user.pk], salt=SALT)


def _place(request, token: str) -> str:
    """Where an upload of this person is kept; raises `UploadRefused`."""
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
    return uploads.place(upload_id)


def _part(request) -> tuple[int, list]:
    """The number of a part and its files by name; raises `UploadRefused`."""
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
