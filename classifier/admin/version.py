"""Admin of versions, their evaluations and promotions."""

import json

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Prefetch
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from classifier.admin.evaluation_tables import (
    EvaluationFields,
    out_of_fold_table,
    sizes_table,
    summary,
)
from classifier.evaluation import report, wording
from classifier.jobs import evaluation as judging
from classifier.models import Evaluation, ModelVersion, Promotion
from classifier.registry import promote
from curation.models import Snapshot
from shoeproject.admin_pages import ReadOnlyAdmin, show_errors
from shoeproject.jobs.admin import JobAdmin


class VersionActionForm(ActionForm):
    """The action form, with the snapshot that “judge” uses and the tick that forces a promotion."""

    snapshot = forms.ModelChoiceField(Snapshot.objects.all(), required=False)
    force = forms.BooleanField(required=False, label="even if worse")


@admin.register(ModelVersion)
class ModelVersionAdmin(EvaluationFields, ReadOnlyAdmin):
    """Versions: judge, promote, roll back."""

    action_form = VersionActionForm
    actions = ["promote_version", "roll_back", "judge"]
    list_display = ["name", "short", "active", "accuracy", "precision", "created_at"]
    list_filter = ["active"]
    fields = ["name", "digest", "active", "run", "snapshot", "created_at", "figures"]

    class Media:
        css = {"all": ["admin/job-progress.css"]}

    def get_queryset(self, request):
        done = Evaluation.objects.filter(state=Evaluation.State.DONE).select_related("snapshot")
        return super().get_queryset(request).prefetch_related(
            Prefetch("evaluations", done, to_attr="judged")
        )  # fmt: skip

    def get_fields(self, request, obj=None):
        fields = [*self.fields]
        if obj and self.metrics(obj):
            fields += self.evaluation_fields
        fields += [key for key in ("out_of_fold", "sizes") if obj and obj.card.get(key)]
        return [*fields, "card_text"]

    def get_readonly_fields(self, request, obj=None):
        return self.get_fields(request, obj)

    def metrics(self, version):
        """Return the metrics on its card if they are the ones that the guide shows."""
        judged = version.judged
        if judged and not report.card_counts_more(version, judged[0].metrics):
            return {}
        return report.card_metrics(version)

    def has_promote_permission(self, request):
        return request.user.has_perm("classifier.add_promotion")

    def has_judge_permission(self, request):
        return request.user.has_perm("classifier.add_evaluation")

    @admin.display(description="test accuracy")
    def accuracy(self, version):
        if version.judged:
            last = version.judged[0]
            return f"{wording.percentage(last.metrics['accuracy'], 1)} on {last.snapshot}"
        card = report.card_metrics(version)
        return f"{wording.percentage(card['accuracy'], 1)}, says its card" if card else "not judged"

    @admin.display
    def precision(self, version):
        return version.card.get("precision", "")

    @admin.display(description="evaluations")
    def figures(self, version):
        """Return a line for each evaluation, and where the fields below are from."""
        card = " The figures below are from its card." if self.metrics(version) else ""
        if not version.judged:
            return f"None yet: choose “Judge” in the list of versions.{card}"
        name = "admin:classifier_evaluation_change"
        lines = format_html_join(
            "",
            '<p><a href="{}">{}</a>: {}</p>',
            ((reverse(name, args=[e.pk]), e.snapshot, summary(e.metrics)) for e in version.judged),
        )
        if card:
            card = " It was judged on fewer photos here than the figures below, from its card."
        return format_html("{}{}", lines, card)

    @admin.display(description="types too small for the test split")
    def out_of_fold(self, version):
        return out_of_fold_table(version.card["out_of_fold"])

    @admin.display(description="sizes of the picture")
    def sizes(self, version):
        return sizes_table(version.card["sizes"])

    @admin.display(description="card")
    def card_text(self, version):
        return format_html(
            "<pre class='card' tabindex='0'>{}</pre>", json.dumps(version.card, indent=1)
        )

    @admin.action(description="Promote: let it answer", permissions=["promote"])
    def promote_version(self, request, queryset):
        if queryset.count() != 1:
            self.message_user(request, "Choose exactly one version.", messages.ERROR)
            return
        with show_errors(self, request):
            force = bool(request.POST.get("force"))
            done = promote.promote(queryset.get(), by=request.user, force=force)
            self.message_user(request, f"{done}.", messages.SUCCESS)

    @admin.action(description="Roll back to the version before", permissions=["promote"])
    def roll_back(self, request, queryset):
        with show_errors(self, request):
            self.message_user(request, f"{promote.rollback(by=request.user)}.", messages.SUCCESS)

    @admin.action(description="Judge on the snapshot chosen", permissions=["judge"])
    def judge(self, request, queryset):
        snapshot = Snapshot.objects.filter(pk=request.POST.get("snapshot") or None).first()
        if snapshot is None:
            self.message_user(request, "Choose a snapshot beside the action.", messages.ERROR)
            return
        for version in queryset:
            with show_errors(self, request):
                evaluation = judging.ask(version, snapshot, request.user)
                self.message_user(request, f"{evaluation}.", messages.SUCCESS)


@admin.register(Evaluation)
class EvaluationAdmin(EvaluationFields, JobAdmin):
    """Evaluations: judge a version, read its metrics."""

    list_display = ["__str__", "state", "progress", "in_short", "created_at"]
    list_select_related = ["version", "snapshot"]
    input_fields = ("version", "snapshot")
    result_fields = EvaluationFields.evaluation_fields

    def metrics(self, evaluation):
        return evaluation.metrics


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """History of the active version, with reasons."""

    list_display = ["at", "kind", "version", "previous", "by", "why"]
    list_select_related = ["version", "previous", "by"]
