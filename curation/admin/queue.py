"""Admin page of the queue, and the JSON views that its script calls."""

import json
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from curation import thumbnails
from curation.admin.permissions import DECIDE, VIEW_IMAGES
from curation.admin.queue_requests import (
    QueueRequestRefused,
    batch_id,
    json_body,
    primary_keys,
    seen_decisions,
)
from curation.decisions import decide, history, undo
from curation.models import ShoeImage, ShoeType
from curation.queue.cards import build_cards
from curation.queue.claims import release, renew
from curation.queue.copies import find_copies, keep_all
from curation.queue.cursor import Cursor
from curation.queue.facets import Facets, count_facets, find_values
from curation.queue.filter import FACETS, Filter, QueueError
from curation.queue.labels import describe_type, list_labels
from curation.queue.pages import next_page
from shoeproject.admin_pages import AdminPages, admin_page
from shoeproject.errors import ProjectError

FOREVER = "private, max-age=31536000, immutable"  # the address holds the picture's digest
KEEP_ALL = "keep-all"
VIEWS = ("data", "facet", "decide", "undo", "labels", "renew", "release")  # without arguments


def json_view(route: str, name: str, permission: str, method: str = "GET"):
    """Make a method a view at `route` that answers in JSON: its data, or an error as {"error":
    {"code", "detail"}}.

    People who are not signed in get 401: a script could not read the sign-in page.
    """

    def decorate(view):
        @admin_page(route, name, sign_in=False)
        @wraps(view)
        def wrapper(self, request, **kwargs):
            status = 200
            try:
                self._check_request(request, permission, method)
                data = view(self, request, **kwargs)
            except ProjectError as error:
                data = {"error": {"code": error.code, "detail": error.detail}}
                status = error.status if isinstance(error, QueueRequestRefused) else 400
            except Http404:
                data = {"error": {"code": "not_found", "detail": "It is not here any more."}}
                status = 404
            response = JsonResponse(data, status=status)
            add_never_cache_headers(response)
            return response

        return wrapper

    return decorate


class QueuePages(AdminPages):
    """Mixin for the admin of images."""

    def _check_request(self, request, permission, method):
        if not self.admin_site.has_permission(request):
            message = "You are signed out. Sign in again in another tab."
            raise QueueRequestRefused(message, 401, "signed_out")
        if not request.user.has_perm(permission):
            raise QueueRequestRefused("Your role does not allow this.", 403, "not_allowed")
        if request.method != method:
            raise QueueRequestRefused(f"Ask with {method}.", 405, "wrong_method")

    @admin_page("queue/", "queue", VIEW_IMAGES)
    def queue_page(self, request):
        """Show facets and the first cards, readable without a script."""
        template = "admin/curation/queue.html"
        try:
            chosen, after = _filter_and_cursor(request)
        except QueueError as error:
            return self.render_page(request, template, "Queue", 400, error=error.detail)
        page = _page_data(request, chosen, after)
        facets = count_facets(chosen)
        facts = [{k: v for k, v in card.items() if k != "html"} for card in page["cards"]]
        return self.render_page(
            request,
            template,
            "Queue",
            # The page needs the width, and its facets are a sidebar themselves.
            is_nav_sidebar_enabled=False,
            cards=page["cards"],
            facets=facets,
            chosen=chosen,
            chips=_chips(chosen, facets),
            left=facets.total,
            claimed=page["claimed"],
            next=page["after"] and f"{chosen.to_query()}&after={page['after']}",
            may_decide=request.user.has_perm(DECIDE),
            user_key=request.user.pk,
            page_json=json.dumps({**page, "cards": facts, "left": facets.total}),
            urls_json=json.dumps(_addresses()),
            claim_seconds=settings.QUEUE_CLAIM_SECONDS,
        )

    @json_view("queue/data/", "queue_data", VIEW_IMAGES)
    def queue_data(self, request):
        """Return cards, unless `cards=0`, and facets, unless `facets=0`."""
        chosen, after = _filter_and_cursor(request)
        data = {} if request.GET.get("cards") == "0" else _page_data(request, chosen, after)
        if request.GET.get("facets") != "0":
            facets = count_facets(chosen)
            context = {"facets": facets, "chosen": chosen, "chips": _chips(chosen, facets)}
            context |= {"may_decide": request.user.has_perm(DECIDE)}
            data |= {
                "left": facets.total,
                "facets_html": render_to_string("admin/curation/queue_facets.html", context),
                "chips_html": render_to_string("admin/curation/queue_chips.html", context),
            }
        return data

    @json_view("queue/facet/", "queue_facet", VIEW_IMAGES)
    def queue_facet(self, request):
        """Return the values of the facet `name` that contain the text `find`."""
        chosen, _ = _filter_and_cursor(request)
        name = request.GET.get("name", "")
        if name not in FACETS:
            raise QueueError("facet", name)
        facet = find_values(chosen, name, request.GET.get("find", ""))
        html = render_to_string("admin/curation/queue_values.html", {"facet": facet})
        return {"html": html, "found": len(facet.values), "more": facet.more}

    @json_view("queue/decide/", "queue_decide", DECIDE, "POST")
    def queue_decide(self, request):
        """Decide on images as they were seen; return those decided on since as cards."""
        body = _checked_body(request)
        seen = seen_decisions(body.get("images"))
        action, note = str(body.get("action")), body.get("note") or ""
        if action == KEEP_ALL:
            batch = keep_all(seen, request.user)
            return {"batch": str(batch), "images": list(seen), "seen": {}, "overtaken": []}
        label = None
        if body.get("label"):
            label = get_object_or_404(ShoeType, slug=str(body["label"]))
        decided = decide.decide(action, seen, request.user, label=label, note=str(note), seen=seen)
        release(request.user, decided.images)
        return {
            "batch": decided.batch and str(decided.batch),
            "images": decided.images,
            "seen": history.newest_decisions(decided.images),
            "overtaken": _with_html(build_cards(decided.overtaken)),
        }

    @json_view("queue/undo/", "queue_undo", DECIDE, "POST")
    def queue_undo(self, request):
        """Undo one step; return its images as cards."""
        batch = batch_id(_checked_body(request).get("batch"))
        return {"cards": _with_html(build_cards(undo.undo_step(batch, request.user)))}

    @json_view("queue/labels/", "queue_labels", VIEW_IMAGES)
    def queue_labels(self, request):
        """Return every label that can be given."""
        return {"labels": list_labels()}

    @json_view("queue/type/<slug:slug>/", "queue_type", VIEW_IMAGES)
    def queue_type(self, request, slug):
        """Return a type's definition with confirmed examples."""
        types = ShoeType.objects.select_related("category")
        definition = describe_type(get_object_or_404(types, slug=slug))
        return {**definition, "examples": _with_pictures(definition["examples"])}

    @json_view("queue/pair/<int:pk>/", "queue_pair", VIEW_IMAGES)
    def queue_pair(self, request, pk):
        """Return an image and its copies, and in what they differ."""
        copies = find_copies(get_object_or_404(ShoeImage, pk=pk).pk)
        rows = [{"name": n, "values": v, "differs": d} for n, v, d in copies.rows]
        cards = _with_pictures(copies.cards)
        return {"cards": cards, "proposed": copies.proposed, "rows": rows, "more": copies.more}

    @json_view("queue/renew/", "queue_renew", DECIDE, "POST")
    def queue_renew(self, request):
        """Extend this person's claims on `images`."""
        return {"renewed": renew(request.user, primary_keys(json_body(request).get("images")))}

    @json_view("queue/release/", "queue_release", DECIDE, "POST")
    def queue_release(self, request):
        """End this person's claims on `images`, or all of theirs without it."""
        keys = json_body(request).get("images")
        return {"released": release(request.user, keys if keys is None else primary_keys(keys))}

    @admin_page("thumb/<slug:stored>.jpg", "thumb", VIEW_IMAGES)
    def thumbnail_view(self, request, stored):
        """Serve the thumbnail of the picture with the digest `stored`."""
        image = ShoeImage.objects.filter(stored_sha256=stored).first()
        try:
            data = thumbnails.thumbnail(image) if image else None
        except FileNotFoundError as error:
            raise Http404 from error
        if data is None:
            raise Http404
        return HttpResponse(data, "image/jpeg", headers={"Cache-Control": FOREVER})


def _checked_body(request) -> dict:
    """Return the JSON sent; refuse it where another person made the decisions in it."""
    body = json_body(request)
    # Somebody else may have signed in, in another tab, since these decisions were made.
    if body.get("by") not in (None, str(request.user.pk)):
        name = request.user.get_username()
        message = f"You are signed in as {name} now. Sign in as who made these decisions."
        raise QueueRequestRefused(message, 401, "signed_out")
    return body


def _filter_and_cursor(request):
    after = request.GET.get("after")
    cursor = Cursor.parse(after, QueueError("place", after)) if after else None
    return Filter.from_query(request.GET), cursor


def _page_data(request, chosen, after) -> dict:
    # People who may only look claim nothing.
    by = request.user if request.user.has_perm(DECIDE) else None
    page = next_page(chosen, by, after)
    after = page.after and str(page.after)
    return {"cards": _with_html(page.cards), "after": after, "claimed": page.claimed}


def _with_pictures(cards: list[dict]) -> list[dict]:
    """Add the addresses of its pictures to each card."""
    for card in cards:
        card["thumb"] = reverse("admin:curation_thumb", args=[card["stored"]])
        card["picture"] = reverse("admin:curation_picture", args=[card["id"]])
    return cards


def _with_html(cards: list[dict]) -> list[dict]:
    """Add to each card the addresses of its pictures and its HTML."""
    html = render_to_string("admin/curation/queue_cards.html", {"cards": _with_pictures(cards)})
    for card, part in zip(cards, html.split("<!-- card -->")[1:], strict=True):
        card["html"] = part.strip()
    return cards


def _chips(chosen: Filter, facets: Facets) -> list[dict]:
    """Return each chosen value with the query string of the view without it."""
    chips = [
        {"facet": f.words, "words": v.words, "query": chosen.toggled(f.name, v.value).to_query()}
        for f in facets.facets
        for v in f.values
        if v.chosen
    ]
    if chosen.doubtful:
        query = chosen.toggled("doubtful", "1").to_query()
        chips.append({"facet": "Label", "words": "doubtful", "query": query})
    return chips


def _addresses() -> dict[str, str]:
    return {name: reverse(f"admin:curation_queue_{name}") for name in VIEWS} | {
        "page": reverse("admin:curation_queue"),
        "login": reverse("admin:login"),
        "type": reverse("admin:curation_queue_type", args=["SLUG"]),
        "pair": reverse("admin:curation_queue_pair", args=[0]),
    }
