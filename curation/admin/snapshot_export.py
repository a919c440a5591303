"""Admin view that downloads a snapshot's pictures as a ZIP."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, StreamingHttpResponse
from django.shortcuts import redirect

from curation.admin.permissions import VIEW_IMAGES
from curation.snapshots.export.stream import FORMATS, stream
from shoeproject.admin_pages import AdminPages, admin_page, show_errors

# Format of the ZIP → its link, in the order on the page.
LINKS = {"imagefolder": "Download as folders", "huggingface": "Download for Hugging Face"}


class SnapshotExportPages(AdminPages):
    """Mixin for the admin of snapshots."""

    change_form_template = "admin/curation/snapshot_change_form.html"

    def render_change_form(self, request, context, **kwargs):
        context["exports"] = LINKS if request.user.has_perm(VIEW_IMAGES) else {}
        return super().render_change_form(request, context, **kwargs)

    @admin_page("<int:pk>/export/<slug:layout>/", "snapshot_export", VIEW_IMAGES)
    def export_view(self, request, pk, layout):
        """Stream the ZIP; `licence` in the query, which may be repeated, restricts the images."""
        snapshot = self.get_object(request, str(pk))
        if not self.has_view_permission(request, snapshot):
            raise PermissionDenied
        if snapshot is None or layout not in FORMATS:
            raise Http404
        with show_errors(self, request):
            return StreamingHttpResponse(
                stream(snapshot, layout, request.GET.getlist("licence")),
                content_type="application/zip",
                headers={
                    "Content-Disposition": f'attachment; filename="{snapshot.name}-{layout}.zip"',
                    "Cache-Control": "private, no-store",
                    "X-Accel-Buffering": "no",  # a proxy would fill its disk first
                },
            )
        return redirect("admin:curation_snapshot_change", pk)
