"""Admin pages of versions, their evaluations and promotions."""

import json

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Prefetch
from django.utils.html import format_html, format_html_join

from classifier import evaluate, promote
from classifier.models import Evaluation, ModelVersion, Promotion
from curation.models import Snapshot
from shoeproject.errors import ProjectError
from shoeproject.jobadmin import JobAdmin, ReadOnlyAdmin, say_error


class VersionActionForm(ActionForm):
    """The action form, with the snapshot that “judge” uses and the tick that forces a promotion."""

    snapshot = forms.ModelChoiceField(Snapshot.objects.all(), required=False)
    force = forms.BooleanField(required=False, label="even if worse")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """Versions: judge, promote, roll back."""

    action_form = VersionActionForm
    actions = ["promote_version", "roll_back", "judge"]
    list_display = ["name", "short", "active", "accuracy", "precision", "created_at"]
    list_filter = ["active"]
    fields = ["name", "digest", "active", "run", "snapshot", "created_at", "figures", "card_text"]

    class Media:
        css = {"all": ["admin/job-progress.css"]}

    def get_queryset(self, request):
        """With the finished evaluations."""
        done = Evaluation.objects.filter(state=Evaluation.State.DONE).select_related("snapshot")
        return super().get_queryset(request).prefetch_related(
            Prefetch("evaluations", done, to_attr="judged")
        )  # fmt: skip

    def get_readonly_fields(self, request, obj=None):
        """A version does not change."""
        return self.fields

    def has_promote_permission(self, request):
        """Who may add promotions may promote and roll back."""
        return request.user.has_perm("classifier.add_promotion")

    def has_judge_permission(self, request):
        """Who may add evaluations may judge."""
        return request.user.has_perm("classifier.add_evaluation")

    @admin.display(description="test accuracy")
    def accuracy(self, version):
        """On the snapshot it was last judged on."""
        if not version.judged:
            return "not judged"
        last = version.judged[0]
        return f"{last.metrics['accuracy']:.1%} on {last.snapshot}"

    @admin.display
    def precision(self, version):
        """Of the graph that is served."""
        return version.card.get("precision", "")

    @admin.display(description="evaluations")
    def figures(self, version):
        """What every evaluation says in short."""
        if not version.judged:
            return "None yet: choose “Judge” in the list of versions."
        return format_html_join(
            "", "<p>{}: {}</p>", ((e.snapshot, short(e)) for e in version.judged)
        )

    @admin.display(description="card")
    def card_text(self, version):
        """The card as it is stored."""
        return format_html("<pre class='card'>{}</pre>", json.dumps(version.card, indent=1))

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
            self._try(request, lambda version=version: evaluate.ask(version, frozen, request.user))

    def _try(self, request, work):
        try:
            self.message_user(request, f"{work()}.", messages.SUCCESS)
        except ProjectError as error:
            say_error(self, request, error)


def short(evaluation: Evaluation) -> str:
    """An evaluation in one line."""
    metrics = evaluation.metrics
    low, high = metrics["interval"]
    return (
        f"{metrics['accuracy']:.1%} right of {metrics['images']} test images "
        f"(95 % interval {low:.1%} to {high:.1%}), {metrics['macro_accuracy']:.1%} on average "
        f"over types, {metrics['top5']:.1%} among the five best"
    )


class EvaluationForm(forms.ModelForm):
    """Which version on which snapshot."""

    class Meta:
        model = Evaluation
        fields = ["version", "snapshot"]


@admin.register(Evaluation)
class EvaluationAdmin(JobAdmin):
    """Evaluations: judge a version, read the figures."""

    form = EvaluationForm
    list_display = ["__str__", "state", "progress", "in_short", "created_at"]
    list_select_related = ["version", "snapshot"]
    asked_fields = ("version", "snapshot")
    result_fields = ("in_short", "per_type", "confusion", "verdicts")

    def save_model(self, request, obj, form, change):
        """Queue it."""
        obj.asked_by = request.user
        super().save_model(request, obj, form, change)
        obj.ring()

    @admin.display(description="result")
    def in_short(self, evaluation):
        """In one line."""
        return short(evaluation) if evaluation.metrics else "–"

    @admin.display(description="accuracy per type")
    def per_type(self, evaluation):
        """As a table, worst first."""
        rows = evaluation.metrics.get("per_type", {})
        return table(
            ["type", "accuracy", "right", "images", "groups"],
            (
                (slug, f"{row['accuracy']:.0%}", row["right"], row["images"], row["groups"])
                for slug, row in sorted(rows.items(), key=lambda item: item[1]["accuracy"])
            ),
        )

    @admin.display(description="most frequent mistakes")
    def confusion(self, evaluation):
        """As a table."""
        rows = evaluation.metrics.get("confusion", [])
        return table(["label", "answer", "images"], rows[:20])

    @admin.display(description="what a visitor would have read")
    def verdicts(self, evaluation):
        """As a table."""
        rows = evaluation.metrics.get("verdicts", {})
        return table(
            ["images of", "type", "category", "not sure", "not a shoe"],
            ((f"{kind} types", *verdicts.values()) for kind, verdicts in rows.items()),
        )


def table(head, rows):
    """A small table for a read-only field."""
    heads = format_html_join("", '<th scope="col">{}</th>', ((h,) for h in head))
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows),
    )
    return format_html('<table class="figures"><tr>{}</tr>{}</table>', heads, body)


@admin.register(Promotion)
class PromotionAdmin(ReadOnlyAdmin):
    """Which version was active when, and why."""

    list_display = ["at", "kind", "version", "previous", "by", "why"]
    list_select_related = ["version", "previous", "by"]
