"""The change page of an image: label and suggestions, findings, copies, history, buttons."""

from django.contrib import admin, messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect

from curation.admin.permissions import DECIDE
from curation.decisions.decide import decide
from curation.decisions.history import newest_decisions
from curation.issues import findings, silence
from curation.issues.reasons import BY_SLUG, DUPLICATES
from curation.models import Assessment, Finding, Review, ShoeImage, ShoeType
from shoeproject.admin_pages import AdminPages, ReadOnlyInline, admin_page, show_errors

# Action of a decision → its button, the message once it is done.
BUTTONS = {
    "confirm": ("Confirm", "Confirmed."),
    "relabel": ("Relabel", "Relabelled."),
    "reject": ("Reject", "Rejected."),
    "restore": ("Restore", "Restored; it is unreviewed again."),
    "leave": ("Leave to a colleague", "Left to a colleague; it is in the queue with your note."),
}
COPIES_SHOWN = 20


class ReviewInline(ReadOnlyInline):
    """An image's history, newest first."""

    model = Review
    fk_name = "image"
    fields = readonly_fields = ["at", "by", "what", "label", "state", "note", "undone"]
    verbose_name_plural = "history"

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        return rows.select_related("by", "label_from", "label_to", "undone_by__by", "undoes")

    @admin.display
    def what(self, row):
        if row.undoes:
            return f"undone: “{row.undoes.get_action_display()}”"
        return row.get_action_display()

    @admin.display
    def label(self, row):
        return _before_and_after(row.label_from, row.label_to)

    @admin.display
    def state(self, row):
        return _before_and_after(row.get_state_from_display(), row.get_state_to_display())

    @admin.display
    def undone(self, row):
        undo = getattr(row, "undone_by", None)
        return f"by {undo.by}" if undo else "–"


class ImageDetailPages(AdminPages):
    """Mixin for the admin of images."""

    change_form_template = "admin/curation/image_change_form.html"

    def render_change_form(self, request, context, **kwargs):
        image = kwargs["obj"]
        # Nothing on the page is saved: decisions have buttons of their own.
        context |= {f"show_{button}": False for button in ("save", "save_and_continue", "close")}
        context |= {"title": "Shoe image", "buttons": self._buttons(request, image)}
        return super().render_change_form(request, context | image_details(image), **kwargs)

    def _buttons(self, request, image):
        if not self.has_change_permission(request, image) or not image.file_name:
            return {}
        rejected = image.state == ShoeImage.State.REJECTED
        left_out = {"reject"} if rejected else {"restore"}
        if image.given_key is None:
            left_out.add("confirm")
        return {action: text for action, (text, _) in BUTTONS.items() if action not in left_out}

    @admin_page("<int:pk>/decide/", "decide", DECIDE, post=True)
    def decide_view(self, request, pk):
        """Make one decision on the image as its reader saw it, and redirect to its page."""
        image = get_object_or_404(ShoeImage, pk=pk)
        action = request.POST.get("action")
        if action not in BUTTONS:
            raise Http404
        label = ShoeType.objects.filter(slug=request.POST.get("label", "")).first()
        seen, note = request.POST.get("seen", ""), request.POST.get("note", "")
        seen = {image.pk: int(seen) if seen.isascii() and seen.isdecimal() else 0}
        with show_errors(self, request):
            decided = decide(action, [image], request.user, label=label, note=note, seen=seen)
            if decided.overtaken:
                message = "Somebody has decided on it since you opened the page; look again."
                self.message_user(request, message, messages.WARNING)
            else:
                self.message_user(request, BUTTONS[action][1], messages.SUCCESS)
        return redirect("admin:curation_shoeimage_change", pk)

    @admin_page("<int:pk>/keep/<int:finding>/", "keep", DECIDE, post=True)
    def keep_view(self, request, pk, finding):
        """Silence a finding as kept on purpose, or reopen it where `again` is sent."""
        row = get_object_or_404(Finding, pk=finding, image=pk)
        if "again" not in request.POST:
            silence.silence([row], request.user)
            self.message_user(request, "Kept on purpose; it is not said again.", messages.SUCCESS)
        elif row.batch and not Review.objects.filter(batch=row.batch).exists():
            silence.reopen(row.batch, [pk])
            findings.refresh([pk])
            self.message_user(request, "It is said again.", messages.SUCCESS)
        return redirect("admin:curation_shoeimage_change", pk)


def image_details(image: ShoeImage) -> dict:
    """Return what the page shows of an image; the number of queries does not grow with it."""
    types = {row.slug: row for row in ShoeType.objects.select_related("merged_into")}
    open_findings = findings.standing([image.pk]).get(image.pk, [])
    kept = list(image.findings.filter(outcome=Finding.Outcome.KEPT).select_related("silenced_by"))
    by_decision = set(
        Review.objects.filter(batch__in=[row.batch for row in kept]).values_list("batch", flat=True)
    )
    shas = {row.other for row in [*open_findings, *kept] if row.other}
    others = {row.sha256: row for row in ShoeImage.objects.filter(sha256__in=shas)}
    assessment = Assessment.objects.filter(image=image, run=findings.current_run()).first()
    return {
        "image": image,
        "given": image.given,
        "is_label": image.label is not None,
        "top": [(types.get(slug, slug), p) for slug, p in (assessment.top if assessment else [])],
        "assessed": assessment,
        "suggested": types.get(image.suggested),
        "findings": [_finding_row(row, others, types) for row in open_findings],
        "kept": [
            {**_finding_row(row, others, types), "again": row.batch not in by_decision}
            for row in kept
        ],
        "copies": _copies(image, open_findings, others),
        "seen": newest_decisions([image.pk]).get(image.pk, 0),
        "types": [row for row in types.values() if row.merged_into_id is None],
        "claim": getattr(image, "queue_claim", None),
    }


def _finding_row(finding: Finding, others, types) -> dict:
    reason = BY_SLUG.get(finding.reason)
    return {
        "finding": finding,
        "words": reason.words if reason else finding.reason,
        "suggested": finding.suggested and types.get(finding.suggested, finding.suggested),
        "other": others.get(finding.other),
    }


def _copies(image, open_findings, others) -> list[tuple[ShoeImage, str]]:
    """Return images found to be copies of this one, each with which of the two should stay."""
    copies = {
        others[row.other].pk: (others[row.other], "should stay instead of this one")
        for row in open_findings
        if row.reason in DUPLICATES and row.other in others
    }
    rows = findings.unanswered().filter(
        other=image.sha256, reason__in=DUPLICATES, image__state__in=findings.LIVE
    )
    for row in rows.select_related("image").order_by("image")[:COPIES_SHOWN]:
        copies.setdefault(row.image_id, (row.image, "should go, this one stays"))
    return list(copies.values())


def _before_and_after(before, after) -> str:
    if before == after:
        return str(after or "–")
    return f"{before or '–'} → {after or '–'}"
