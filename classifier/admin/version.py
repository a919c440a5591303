"""Admin pages of versions, their evaluations and promotions."""

import json

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Prefetch
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from classifier.admin.figures import FigureFields, one_line, out_of_fold_table, sizes_table
from classifier.evaluation import report
from classifier.jobs import evaluation as judging
from classifier.models import Evaluation, ModelVersion, Promotion
from classifier.registry import promote
from curation.models import Snapshot
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import JobAdmin, ReadOnlyAdmin, show_error


class VersionActionForm(ActionForm):
    """The action form, with the snapshot that “judge” uses and the tick that forces a promotion."""

    snapshot = forms.ModelChoiceField(Snapshot.objects.all(), required=False)
    force = forms.BooleanField(required=False, label="even if worse")


@admin.register(ModelVersion)
class ModelVersionAdmin(FigureFields, ReadOnlyAdmin):
    """Versions: judge, promote, roll back."""

    action_form = VersionActionForm
    actions = ["promote_version", "roll_back", "judge"]
    list_display = ["name", "short", "active", "accuracy", "precision", "created_at"]
    list_filter = ["active"]
    fields = ["name", "digest", "active", "run", "snapshot", "created_at", "figures"]

    class Media:
        css = {"all": ["admin/job-progress.css"]}

    def get_queryset(self, request):
        """With the finished evaluations."""
        done = Evaluation.objects.filter(state=Evaluation.State.DONE).select_related("snapshot")
        return super().get_queryset(request).prefetch_related(
            Prefetch("evaluations", done, to_attr="judged")
        )  # fmt: skip

    def get_fields(self, request, obj=None):
        """With the figures it came with, as long as they are the best; the card last."""
        fields = [*self.fields]
        if obj and self.measured(obj):
            fields += self.figure_fields
        fields += [key for key in ("out_of_fold", "sizes") if obj and obj.card.get(key)]
        return [*fields, "card_text"]

    def get_readonly_fields(self, request, obj=None):
        """A version does not change."""
        return self.get_fields(request, obj)

    def measured(self, version):
        """The figures on its card, where the guide shows them too; each evaluation has a page."""
        judged = version.judged
        if judged and not report.card_says_more(version, judged[0].metrics):
            return {}
        return report.on_card(version)

    def has_promote_permission(self, request):
        """Who may add promotions may promote and roll back."""
        return request.user.has_perm("classifier.add_promotion")

    def has_judge_permission(self, request):
        """Who may add evaluations may judge."""
        return request.user.has_perm("classifier.add_evaluation")

    @admin.display(description="test accuracy")
    def accuracy(self, version):
        """On the snapshot it was last judged on."""
        if version.judged:
            last = version.judged[0]
            return f"{report.share(last.metrics['accuracy'], 1)} on {last.snapshot}"
        card = report.on_card(version)
        return f"{report.share(card['accuracy'], 1)}, says its card" if card else "not judged"

    @admin.display
    def precision(self, version):
        """Of the graph that is served."""
        return version.card.get("precision", "")

    @admin.display(description="evaluations")
    def figures(self, version):
        """What every evaluation says in short."""
        card = " The figures below are from its card." if self.measured(version) else ""
        if not version.judged:
            return f"None yet: choose “Judge” in the list of versions.{card}"
        name = "admin:classifier_evaluation_change"
        lines = format_html_join(
            "",
            '<p><a href="{}">{}</a>: {}</p>',
            ((reverse(name, args=[e.pk]), e.snapshot, one_line(e.metrics)) for e in version.judged),
        )
        if card:
            card = " It was judged on fewer photos here than the figures below, from its card."
        return format_html("{}{}", lines, card)

    @admin.display(description="types too small for the test split")
    def out_of_fold(self, version):
        """As smaller trainings judged them."""
        return out_of_fold_table(version.card["out_of_fold"])

    @admin.display(description="sizes of the picture")
    def sizes(self, version):
        """What each is worth, and takes."""
        return sizes_table(version.card["sizes"])

    @admin.display(description="card")
    def card_text(self, version):
        """The card as it is stored."""
        return format_html(
            "<pre class='card' tabindex='0'>{}</pre>", json.dumps(version.card, indent=1)
        )

    @admin.action(description="Promote: let it answer", permissions=["promote"])
    def promote_version(self, request, queryset):
        """Promote the one version chosen."""
        if queryset.count() != 1:
            self.message_user(request, "Choose exactly one version.", messages.ERROR)
            return
        force = bool(request.POST.get("force"))
        self._try(request, lambda: promote.promote(queryset.get(), by=request.user, force=force))

    @admin.action(description="Roll back to the version before", permissions=["promote"])
    def roll_back(self, request, queryset):
        """Roll back, whichever versions are chosen."""
        self._try(request, lambda: promote.rollback(by=request.user))

    @admin.action(description="Judge on the snapshot chosen", permissions=["judge"])
    def judge(self, request, queryset):
        """Queue evaluations."""
        frozen = Snapshot.objects.filter(pk=request.POST.get("snapshot") or None).first()
        if frozen is None:
            self.message_user(request, "Choose a snapshot beside the action.", messages.ERROR)
            return
        for version in queryset:
            self._try(request, lambda version=version: judging.ask(version, frozen, request.user))

    def _try(self, request, work):
        try:
            self.message_user(request, f"{work()}.", messages.SUCCESS)
        except ProjectError as error:
            show_error(self, request, error)


class EvaluationForm(forms.ModelForm):
    """Which version on which snapshot."""

    class Meta:
        model = Evaluation
        fields = ["version", "snapshot"]


@admin.register(Evaluation)
class EvaluationAdmin(FigureFields, JobAdmin):
    """Evaluations: judge a version, read the figures."""

    form = EvaluationForm
    list_display = ["__str__", "state", "progress", "in_short", "created_at"]
    list_select_related = ["version", "snapshot"]
    input_fields = ("version", "snapshot")
    result_fields = FigureFields.figure_fields

    def save_model(self, request, obj, form, change):
        """Queue it."""
        obj.asked_by = request.user
        super().save_model(request, obj, form, change)
        obj.ring()

    def measured(self, evaluation):
        """What it found out."""
        return evaluation.metrics


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """Which version was active when, and why."""

    list_display = ["at", "kind", "version", "previous", "by", "why"]
    list_select_related = ["version", "previous", "by"]
