"""Admin of images and of the history of decisions on them."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.files.storage import storages
from django.http import FileResponse, Http404
from django.urls import reverse
from django.utils.html import format_html

from curation.admin.bulk import BulkPages
from curation.admin.decisions import DecisionPages
from curation.admin.image_detail import ImageDetailPages, ReviewInline
from curation.admin.purge import PurgePages
from curation.admin.queue import QueuePages
from curation.decisions import decide, undo
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.admin_pages import ReadOnlyAdmin, admin_page, show_errors

HIDDEN = {"id", "band0", "band1", "band2", "band3", "given_key", "reasons", "priority"}


class RelabelForm(ActionForm):
    """The action form, with the label that “relabel” gives."""

    label = forms.ModelChoiceField(ShoeType.objects.filter(merged_into=None), required=False)


@admin.register(ShoeImage)
class ShoeImageAdmin(
    ImageDetailPages, DecisionPages, BulkPages, PurgePages, QueuePages, admin.ModelAdmin
):
    """Images: look, filter, decide. Label and state change by decisions only, the rest never."""

    action_form = RelabelForm
    change_list_template = "admin/curation/image_change_list.html"
    actions = [
        "confirm_images", "relabel_images", "reject_images", "restore_images", "undo_last",
        "bulk_relabel", "purge_images",
    ]  # fmt: skip
    list_display = ["thumbnail", "short", "label", "proposed", "state", "split", "size", "source"]
    list_display_links = ["thumbnail", "short"]
    list_filter = ["state", "split", "scene", "label", "source"]
    list_select_related = ["label", "proposed"]
    list_per_page = 50
    search_fields = ["sha256", "group", "title"]
    show_full_result_count = False
    readonly_fields = [f.name for f in ShoeImage._meta.fields if f.name not in HIDDEN]
    fieldsets = [("Everything known", {"classes": ["collapse"], "fields": readonly_fields})]
    inlines = [ReviewInline]

    class Media:
        css = {"all": ["admin/job-progress.css", "admin/decisions.css"]}

    def has_add_permission(self, request):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    @admin_page("<int:pk>/picture/", "picture")
    def picture_view(self, request, pk):
        """Serve the stored picture to people who may see images."""
        image = self.get_object(request, pk)
        if image is None or not image.file_name or not self.has_view_permission(request, image):
            raise Http404
        try:
            file = storages["media"].open(image.file_name)
        except FileNotFoundError as error:
            raise Http404 from error
        headers = {"Cache-Control": "private, max-age=86400"}
        return FileResponse(file, content_type="image/jpeg", headers=headers)

    @admin.display(description="picture")
    def thumbnail(self, image):
        if not image.file_name:
            return "removed"
        return format_html(
            '<img class="thumb" src="{}" loading="lazy" alt="{}">',
            reverse("admin:curation_thumb", args=[image.stored_sha256]),
            f"Image {image.sha256[:12]}",
        )

    @admin.display(description="SHA-256", ordering="sha256")
    def short(self, image):
        return image.sha256[:12]

    @admin.display(ordering="shorter_side")
    def size(self, image):
        # No-break spaces keep a narrow column from stacking the numbers.
        return f"{image.width}\u00a0×\u00a0{image.height}"

    @admin.action(description="Confirm: the label is right", permissions=["change"])
    def confirm_images(self, request, queryset):
        self._decide(request, "confirm", queryset)

    @admin.action(description="Relabel with the label chosen", permissions=["change"])
    def relabel_images(self, request, queryset):
        label = ShoeType.objects.filter(pk=request.POST.get("label") or None).first()
        if label is None:
            self.message_user(request, "Choose a label beside the action.", messages.ERROR)
            return
        self._decide(request, "relabel", queryset, label)

    @admin.action(description="Reject: of no use", permissions=["change"])
    def reject_images(self, request, queryset):
        self._decide(request, "reject", queryset)

    @admin.action(description="Restore rejected images", permissions=["change"])
    def restore_images(self, request, queryset):
        self._decide(request, "restore", queryset)

    @admin.action(
        description="Undo the steps these images were last decided in", permissions=["change"]
    )
    def undo_last(self, request, queryset):
        with show_errors(self, request):
            if undone := undo.undo_on(queryset, request.user):
                self.message_user(request, f"{undone} decisions undone.", messages.SUCCESS)
            else:
                message = "Nobody has decided on these yet."
                self.message_user(request, message, messages.WARNING)

    def _decide(self, request, action, queryset, label=None):
        number = queryset.count()
        with show_errors(self, request):
            decide.decide(action, queryset, request.user, label=label)
            self.message_user(request, f"{number} decided; “Undo” takes it back.", messages.SUCCESS)


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """All decisions."""

    list_display = ["at", "by", "action", "image", "label_from", "label_to", "state_to", "note"]
    list_filter = ["action", "at"]
    list_select_related = ["by", "image__label", "image__proposed", "label_from", "label_to"]
    search_fields = ["image__sha256", "note"]
    show_full_result_count = False
