"""Admin of the embedders made of pretrained weights."""

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat

from classifier.inference.card import GRAPH
from classifier.jobs import pretrained_embedder
from classifier.models import PretrainedEmbedder
from shoeproject.jobs.admin import JobAdmin


@admin.register(PretrainedEmbedder)
class PretrainedEmbedderAdmin(JobAdmin):
    """Embedders: request the one that the settings name, watch its export."""

    list_display = ["__str__", "state", "progress", "weights", "created_at"]
    input_fields = ("arch", "size")
    result_fields = ("weights", "bytes", "digest")

    def get_fields(self, request, obj=None):
        return super().get_fields(request, obj) if obj else ("wanted",)

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

    def add_view(self, request, form_url="", extra_context=None):
        if request.method != "POST":
            one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
            return super().add_view(request, form_url, {**(extra_context or {}), **one_button})
        if not self.has_add_permission(request):
            raise PermissionDenied
        row = pretrained_embedder.ask(by=request.user)
        self.log_addition(request, row, [{"added": {}}])
        self.message_user(request, f"Embedder {row} is {row.state}.", messages.SUCCESS)
        return redirect("admin:classifier_pretrainedembedder_change", row.pk)

    @admin.display(description="network")
    def wanted(self, row):
        return (
            f"{settings.EMBED_ARCH} at {settings.EMBED_SIZE} px, as the settings EMBED_ARCH and "
            "EMBED_SIZE say; the training worker exports it"
        )

    @admin.display
    def weights(self, row):
        return row.card.get("name", "–")

    @admin.display(description="size of the file")
    def bytes(self, row):
        return filesizeformat(row.card["files"][GRAPH]["bytes"]) if row.card else "–"
