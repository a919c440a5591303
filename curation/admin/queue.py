"""The queue's page and the addresses its script asks. All of them check what a person may do."""

import json
from functools import wraps

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.cache import add_never_cache_headers

from curation import queue, thumbnails
from curation.admin import queue_requests
from curation.admin.queue_requests import Asked
from curation.decisions import decide
from curation.models import ShoeImage, ShoeType
from shoeproject.errors import ProjectError

LOOK, DECIDE = "curation.view_shoeimage", "curation.change_shoeimage"
FOREVER = "private, max-age=31536000, immutable"  # the address holds the picture's digest
KEEP_ALL = "keep-all"


def answers(permission, method="GET"):
    """Make a view answer with JSON, errors too: {"error": {"code", "detail"}}.

    Who is not signed in gets 401 and not the page to sign in at, which a script cannot read.
    """

    def decorate(view):
        @wraps(view)
        def answer(self, request, **parts):
            said, status = None, 200
            try:
                self._let_in(request, permission, method)
                data = view(self, request, **parts)
            except ProjectError as error:
                said = {"code": error.code, "detail": error.detail}
                status = error.status if isinstance(error, Asked) else 400
            except Http404:
                said, status = {"code": "not_found", "detail": "It is not here any more."}, 404
            response = JsonResponse({"error": said} if said else data, status=status)
            add_never_cache_headers(response)
            return response

        return answer

    return decorate


class QueuePages:
    """Mixed into the admin of images."""

    def get_urls(self):
        """The queue's addresses, before the admin's own."""

        def at(route, view, name):
            return path(route, view, name=f"curation_{name}")

        look = self.admin_site.admin_view(self.queue_page)
        thumb = self.admin_site.admin_view(self.thumbnail_view)
        return [
            at("queue/", look, "queue"),
            at("queue/data/", self.queue_data, "queue_data"),
            at("queue/facet/", self.queue_facet, "queue_facet"),
            at("queue/decide/", self.queue_decide, "queue_decide"),
            at("queue/undo/", self.queue_undo, "queue_undo"),
            at("queue/labels/", self.queue_labels, "queue_labels"),
            at("queue/type/<slug:slug>/", self.queue_type, "queue_type"),
            at("queue/pair/<int:pk>/", self.queue_pair, "queue_pair"),
            at("queue/renew/", self.queue_renew, "queue_renew"),
            at("queue/release/", self.queue_release, "queue_release"),
            at("thumb/<slug:stored>.jpg", thumb, "thumb"),
            *super().get_urls(),
        ]

    def _let_in(self, request, permission, method):
        if not self.admin_site.has_permission(request):
            raise Asked("You are signed out. Sign in again in another tab.", 401, "signed_out")
        if not request.user.has_perm(permission):
            raise Asked("Your role does not allow this.", 403, "not_allowed")
        if request.method != method:
            raise Asked(f"Ask with {method}.", 405, "wrong_method")

    def _sent(self, request) -> dict:
        # Somebody else may have signed in, in another tab, since these decisions were made.
        sent = queue_requests.body(request)
        if sent.get("by") not in (None, str(request.user.pk)):
            name = request.user.get_username()
            said = f"You are signed in as {name} now. Sign in as who made these decisions."
            raise Asked(said, 401, "signed_out")
        return sent

    def queue_page(self, request):
        """The page: facets and the first cards, readable without a script."""
        if not request.user.has_perm(LOOK):
            raise PermissionDenied
        may_decide = request.user.has_perm(DECIDE)
        context = {**self.admin_site.each_context(request), "title": "Queue", "opts": self.opts}
        try:
            chosen, after = _view(request)
        except queue.QueueError as error:
            context |= {"error": error.detail}
            return render(request, "admin/curation/queue.html", context, status=400)
        shown = _page(request, chosen, after)
        counted = queue.facets(chosen)
        facts = [{k: v for k, v in card.items() if k != "html"} for card in shown["cards"]]
        context |= {
            # The page needs the width, and its facets are a sidebar themselves.
            "is_nav_sidebar_enabled": False,
            "cards": shown["cards"],
            "facets": counted,
            "chosen": chosen,
            "chips": _chips(chosen, counted),
            "left": counted.total,
            "claimed": shown["claimed"],
            "next": shown["after"] and f"{chosen.to_query()}&after={shown['after']}",
            "may_decide": may_decide,
            "user_key": request.user.pk,
            "page_json": json.dumps({**shown, "cards": facts, "left": counted.total}),
            "urls_json": json.dumps(_addresses()),
            "claim_seconds": settings.QUEUE_CLAIM_SECONDS,
        }
        return render(request, "admin/curation/queue.html", context)

    @answers(LOOK)
    def queue_data(self, request):
        """Cards, and facets unless `facets=0`; `cards=0` leaves the cards out."""
        chosen, after = _view(request)
        data = {} if request.GET.get("cards") == "0" else _page(request, chosen, after)
        if request.GET.get("facets") != "0":
            counted = queue.facets(chosen)
            context = {"facets": counted, "chosen": chosen, "chips": _chips(chosen, counted)}
            context |= {"may_decide": request.user.has_perm(DECIDE)}
            data |= {
                "left": counted.total,
                "facets_html": render_to_string("admin/curation/queue_facets.html", context),
                "chips_html": render_to_string("admin/curation/queue_chips.html", context),
            }
        return data

    @answers(LOOK)
    def queue_facet(self, request):
        """Values of one facet whose words hold what was typed."""
        chosen, _ = _view(request)
        name = request.GET.get("name", "")
        if name not in queue.FACETS:
            raise queue.QueueError("facet", name)
        found = queue.find(chosen, name, request.GET.get("find", ""))
        html = render_to_string("admin/curation/queue_values.html", {"facet": found})
        return {"html": html, "found": len(found.values), "more": found.more}

    @answers(DECIDE, "POST")
    def queue_decide(self, request):
        """One decision on images as they were seen; those decided on since come back as cards."""
        sent = self._sent(request)
        seen = queue_requests.seen(sent.get("images"))
        action, note = str(sent.get("action")), sent.get("note") or ""
        if action == KEEP_ALL:
            batch = queue.keep_all(seen, request.user)
            return {"batch": str(batch), "images": list(seen), "seen": {}, "overtaken": []}
        label = None
        if sent.get("label"):
            label = get_object_or_404(ShoeType, slug=str(sent["label"]))
        decided = decide.decide(action, seen, request.user, label=label, note=str(note), seen=seen)
        queue.release(request.user, decided.images)
        return {
            "batch": decided.batch and str(decided.batch),
            "images": decided.images,
            "seen": decide.newest_decisions(decided.images),
            "overtaken": _shown(queue.cards(decided.overtaken)),
        }

    @answers(DECIDE, "POST")
    def queue_undo(self, request):
        """Take one step back; its images as they are now."""
        batch = queue_requests.batch(self._sent(request).get("batch"))
        return {"cards": _shown(queue.cards(queue.undo(batch, request.user)))}

    @answers(LOOK)
    def queue_labels(self, request):
        """Every label there is to give."""
        return {"labels": queue.labels()}

    @answers(LOOK)
    def queue_type(self, request, slug):
        """What a type is, with confirmed examples."""
        types = ShoeType.objects.select_related("category")
        described = queue.definition(get_object_or_404(types, slug=slug))
        return {**described, "examples": _shown(described["examples"], html=False)}

    @answers(LOOK)
    def queue_pair(self, request, pk):
        """An image and its copies, and what differs between them."""
        found = queue.copies(get_object_or_404(ShoeImage, pk=pk).pk)
        rows = [{"name": n, "values": v, "differs": d} for n, v, d in found.rows]
        cards = _shown(found.cards, html=False)
        return {"cards": cards, "proposed": found.proposed, "rows": rows, "more": found.more}

    @answers(DECIDE, "POST")
    def queue_renew(self, request):
        """Keep what is on the page there a while longer."""
        return {
            "renewed": queue.renew(
                request.user, queue_requests.keys(queue_requests.body(request).get("images"))
            )
        }

    @answers(DECIDE, "POST")
    def queue_release(self, request):
        """Let others have what was on the page; without `images`, all of this person's."""
        keys = queue_requests.body(request).get("images")
        keys = keys if keys is None else queue_requests.keys(keys)
        return {"released": queue.release(request.user, keys)}

    def thumbnail_view(self, request, stored):
        """A small picture, for those who may see images."""
        if not request.user.has_perm(LOOK):
            raise PermissionDenied
        image = ShoeImage.objects.filter(stored_sha256=stored).first() if stored else None
        try:
            small = thumbnails.thumbnail(image) if image else None
        except FileNotFoundError as error:
            raise Http404 from error
        if small is None:
            raise Http404
        return HttpResponse(small, "image/jpeg", headers={"Cache-Control": FOREVER})


def _view(request):
    """The filter and the place in it that an address asks for."""
    after = request.GET.get("after")
    return queue.Filter.from_query(request.GET), queue.Cursor.parse(after) if after else None


def _page(request, chosen, after) -> dict:
    # Who may only look takes nothing away from anybody.
    by = request.user if request.user.has_perm(DECIDE) else None
    given = queue.page(chosen, by, after)
    after = given.after and str(given.after)
    return {"cards": _shown(given.cards), "after": after, "claimed": given.claimed}


def _shown(cards: list[dict], html=True) -> list[dict]:
    """Cards with the addresses of their pictures, and as they look on the page."""
    for card in cards:
        card["thumb"] = reverse("admin:curation_thumb", args=[card["stored"]])
        card["picture"] = reverse("admin:curation_picture", args=[card["id"]])
    if html and cards:
        drawn = render_to_string("admin/curation/queue_cards.html", {"cards": cards})
        for card, part in zip(cards, drawn.split("<!-- card -->")[1:], strict=True):
            card["html"] = part.strip()
    return cards


def _chips(chosen: queue.Filter, counted: queue.Facets) -> list[dict]:
    """What is chosen, each with the address of the view without it."""
    chips = [
        {"facet": f.words, "words": v.words, "query": chosen.toggled(f.name, v.value).to_query()}
        for f in counted.facets
        for v in f.values
        if v.chosen
    ]
    if chosen.doubtful:
        query = chosen.toggled("doubtful", "1").to_query()
        chips.append({"facet": "Label", "words": "doubtful", "query": query})
    return chips


def _addresses() -> dict[str, str]:
    names = ("data", "facet", "decide", "undo", "labels", "renew", "release")
    addresses = {name: reverse(f"admin:curation_queue_{name}") for name in names}
    return addresses | {
        "page": reverse("admin:curation_queue"),
        "login": reverse("admin:login"),
        "type": reverse("admin:curation_queue_type", args=["SLUG"]),
        "pair": reverse("admin:curation_queue_pair", args=[0]),
    }
