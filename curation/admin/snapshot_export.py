"""A snapshot's pictures as a download."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import redirect

from curation.snapshots import export
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import show_error

# In the order of the links on the page.
WORDS = {"imagefolder": "Download as folders", "huggingface": "Download for Hugging Face"}


def links(request) -> list[tuple[str, str]]:
    """(format, what its link says), for those who may see pictures."""
    may = request.user.has_perm("curation.view_shoeimage")
    return list(WORDS.items()) if may else []


def answer(modeladmin, request, pk, layout):
    """The ZIP as a stream; `licence` in the query, which may be repeated, restricts it."""
    frozen = modeladmin.get_object(request, str(pk))
    if not modeladmin.has_view_permission(request, frozen) or not links(request):
        raise PermissionDenied
    if frozen is None or layout not in export.FORMATS:
        raise Http404
    try:
        chunks = export.stream(frozen, layout, request.GET.getlist("licence"))
    except ProjectError as error:
        show_error(modeladmin, request, error)
        return redirect("admin:curation_snapshot_change", pk)
    name = f"{frozen.name}-{layout}.zip"
    return StreamingHttpResponse(
        chunks,
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
            "X-Accel-Buffering": "no",  # a proxy would else fill its disk first
        },
    )
