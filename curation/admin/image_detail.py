"""An image's own page: what it is taken for, what is said against it, its copies, its history."""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.urls import path

from curation.admin.decisions import DECIDE, PURGE
from curation.decisions.decide import decide, newest_decisions
from curation.issues import findings
from curation.issues.reasons import BY_SLUG, DUPLICATES
from curation.models import Assessment, Finding, Review, ShoeImage, ShoeType
from shoeproject.errors import ProjectError
from shoeproject.jobs.admin import show_error

# What can be decided on the page: the action, its button, what is said when it is done.
BUTTONS = {
    "confirm": ("Confirm", "Confirmed."),
    "relabel": ("Relabel", "Relabelled."),
    "reject": ("Reject", "Rejected."),
    "restore": ("Restore", "Restored; it is unreviewed again."),
    "leave": ("Leave to a colleague", "Left to a colleague; it is in the queue with your note."),
}
COPIES_SHOWN = 20


class ReviewInline(admin.TabularInline):
    """An image's history, newest first."""

    model = Review
    fk_name = "image"
    fields = ["at", "by", "what", "label", "state", "note", "undone"]
    readonly_fields = fields
    extra = 0
    can_delete = False
    verbose_name_plural = "history"

    def get_queryset(self, request):
        """With what its columns show."""
        rows = super().get_queryset(request)
        return rows.select_related("by", "label_from", "label_to", "undone_by__by", "undoes")

    def has_add_permission(self, request, obj=None):
        """Decisions are made by the actions, which write both the image and its history."""
        return False

    def has_change_permission(self, request, obj=None):
        """History does not change."""
        return False

    @admin.display
    def what(self, row):
        """What was done."""
        if row.undoes:
            return f"undone: “{row.undoes.get_action_display()}”"
        return row.get_action_display()

    @admin.display
    def label(self, row):
        """From → to, or the one that stayed."""
        return _from_to(row.label_from, row.label_to)

    @admin.display
    def state(self, row):
        """From → to, or the one that stayed."""
        return _from_to(row.get_state_from_display(), row.get_state_to_display())

    @admin.display
    def undone(self, row):
        """Whether it was taken back, and by whom."""
        undo = getattr(row, "undone_by", None)
        return f"by {undo.by}" if undo else "–"


class StoryPages:
    """Mixed into the admin of images."""

    change_form_template = "admin/curation/image_change_form.html"

    def get_urls(self):
        """Where the page's buttons lead, before the admin's own."""
        decide_view = self.admin_site.admin_view(self.decide_view)
        keep = self.admin_site.admin_view(self.keep_view)
        return [
            path("<int:pk>/decide/", decide_view, name="curation_decide"),
            path("<int:pk>/keep/<int:finding>/", keep, name="curation_keep"),
            *super().get_urls(),
        ]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The admin's page under the image's story."""
        image = self.get_object(request, object_id)
        told = {}
        if image is not None and self.has_view_permission(request, image):
            told = story(image) | {
                "buttons": self._buttons(request, image),
                "may_keep": self.has_change_permission(request, image),
                "may_purge": request.user.has_perm(PURGE) and image.file_name,
            }
        # Nothing on the page is saved: decisions have buttons of their own.
        saves = {f"show_{what}": False for what in ("save", "save_and_continue", "close")}
        context = {"title": "Shoe image", **(extra_context or {}), **saves, **told}
        return super().change_view(request, object_id, form_url, context)

    def _buttons(self, request, image):
        if not self.has_change_permission(request, image) or not image.file_name:
            return {}
        rejected = image.state == ShoeImage.State.REJECTED
        left_out = {"reject"} if rejected else {"restore"}
        if image.given_key is None:
            left_out.add("confirm")
        return {verb: words for verb, (words, _) in BUTTONS.items() if verb not in left_out}

    def decide_view(self, request, pk):
        """One decision on the image as it was seen, and back to its page."""
        self._check_post(request)
        image = get_object_or_404(ShoeImage, pk=pk)
        action = request.POST.get("action")
        if action not in BUTTONS:
            raise Http404
        label = ShoeType.objects.filter(slug=request.POST.get("label", "")).first()
        seen, note = request.POST.get("seen", ""), request.POST.get("note", "")
        seen = {image.pk: int(seen) if seen.isascii() and seen.isdecimal() else 0}
        try:
            decided = decide(action, [image], request.user, label=label, note=note, seen=seen)
        except ProjectError as error:
            show_error(self, request, error)
        else:
            if decided.overtaken:
                said = "Somebody has decided on it since you opened the page; look again."
                self.message_user(request, said, messages.WARNING)
            else:
                self.message_user(request, BUTTONS[action][1], messages.SUCCESS)
        return redirect("admin:curation_shoeimage_change", pk)

    def keep_view(self, request, pk, finding):
        """“Kept on purpose”: the finding never speaks again; with `again`, it does."""
        self._check_post(request)
        row = get_object_or_404(Finding, pk=finding, image=pk)
        if "again" in request.POST:
            if row.batch and not Review.objects.filter(batch=row.batch).exists():
                findings.reopen(row.batch, [pk])
                findings.refresh([pk])
                self.message_user(request, "It is said again.", messages.SUCCESS)
        else:
            findings.silence([row], request.user)
            self.message_user(request, "Kept on purpose; it is not said again.", messages.SUCCESS)
        return redirect("admin:curation_shoeimage_change", pk)

    def _check_post(self, request):
        if request.method != "POST" or not request.user.has_perm(DECIDE):
            raise PermissionDenied


def story(image: ShoeImage) -> dict:
    """What the page tells about an image, in a number of queries that does not grow."""
    types = {row.slug: row for row in ShoeType.objects.select_related("merged_into")}
    said = findings.live([image.pk]).get(image.pk, [])
    kept = list(image.findings.filter(outcome=Finding.Outcome.KEPT).select_related("silenced_by"))
    by_decision = set(
        Review.objects.filter(batch__in=[row.batch for row in kept]).values_list("batch", flat=True)
    )
    mentioned = findings.unanswered().filter(other=image.sha256, reason__in=DUPLICATES)
    shas = {row.other for row in [*said, *kept] if row.other}
    others = {row.sha256: row for row in ShoeImage.objects.filter(sha256__in=shas)}
    assessment = Assessment.objects.filter(image=image, run=findings.current_run()).first()
    return {
        "image": image,
        "given": image.given,
        "is_label": image.label is not None,
        "top": [(types.get(slug, slug), p) for slug, p in (assessment.top if assessment else [])],
        "assessed": assessment,
        "suggested": types.get(image.suggested),
        "findings": [_told(row, others, types) for row in said],
        "kept": [
            {**_told(row, others, types), "again": row.batch not in by_decision} for row in kept
        ],
        "copies": _copies(image, said, others, mentioned),
        "seen": newest_decisions([image.pk]).get(image.pk, 0),
        "types": [row for row in types.values() if row.merged_into_id is None],
        "claim": getattr(image, "queue_claim", None),
    }


def _told(row: Finding, others, types) -> dict:
    reason = BY_SLUG.get(row.reason)
    return {
        "finding": row,
        "words": reason.words if reason else row.reason,
        "suggested": row.suggested and types.get(row.suggested, row.suggested),
        "other": others.get(row.other),
    }


def _copies(image, said, others, mentioned) -> list[tuple[ShoeImage, str]]:
    """Images that are said to be copies of this one, each with what is said."""
    found = {
        others[row.other].pk: (others[row.other], "should stay instead of this one")
        for row in said
        if row.reason in DUPLICATES and row.other in others
    }
    live = mentioned.filter(image__state__in=findings.LIVE).select_related("image")
    for row in live.order_by("image")[:COPIES_SHOWN]:
        found.setdefault(row.image_id, (row.image, "should go, this one stays"))
    return list(found.values())


def _from_to(before, after) -> str:
    if before == after:
        return str(after or "–")
    return f"{before or '–'} → {after or '–'}"
