"""The page of the progress board."""

from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import reverse

from curation.reports import progress

# What a chart measures in: its height, and the width of one day.
CHART_HEIGHT, DAY_WIDTH = 40, 6


def page(modeladmin, request):
    """Answer a request for the board."""
    if not request.user.has_perm("curation.view_shoeimage"):
        raise PermissionDenied
    shown = progress.read()
    widest = max((row.total for row in shown.types), default=0)
    highest = max(shown.everybody.days)
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": "Progress",
        "board": shown,
        "images": sum(shown.states.values()),
        "states": [
            (state, number, _state_link(state)) for state, number in shown.states.items() if number
        ],
        "types": [(row, _bar(row, widest), _links(given=row.slug)) for row in shown.types],
        "noise": [
            _noise("type", "given label", "given", shown.noise["type"]),
            _noise("site", "site", "domain", shown.noise["domain"]),
            _noise("query", "search", None, shown.noise["query"]),
        ],
        "reasons": [(row, queue(reason=row.slug)) for row in shown.reasons],
        "overlap": [
            (a, b, number, queue(given=slug_a, suggested=slug_b))
            for slug_a, slug_b, a, b, number in shown.overlap
        ],
        "chart": {"width": DAY_WIDTH * len(shown.days), "height": CHART_HEIGHT},
        "activity": [
            (person, _bars(person, shown.days, highest))
            for person in [shown.everybody, *shown.people]
            if person.total
        ],
        "least": settings.BOARD_MIN_DECIDED,
        "few": settings.BOARD_FEW_IMAGES,
    }
    return TemplateResponse(request, "admin/curation/board.html", context)


def queue(**chosen) -> str:
    """The address of the queue with these choices: a value, or a list of them, for each facet."""
    return f"{reverse('admin:curation_queue')}?{urlencode(chosen, doseq=True)}"


def _state_link(state: str) -> str:
    if state == "purged":  # in no queue: there is nothing left to look at
        return f"{reverse('admin:curation_shoeimage_changelist')}?state__exact=purged"
    return queue(state=state)


def _links(**chosen) -> dict[str, str]:
    states = {state: queue(**chosen, state=state) for state in progress.STATES}
    return {**states, "decided": queue(**chosen, state=list(progress.DECIDED))}


def _noise(what: str, title: str, facet: str | None, rows) -> dict:
    """One table of noise rates. The queue has no facet for searches; the list of images does."""
    most, images = settings.BOARD_ROWS, reverse("admin:curation_shoeimage_changelist")
    shown = []
    for row in rows[:most]:
        if facet:
            links = _links(**{facet: row.key})
        else:
            address = f"{images}?{urlencode({'query__exact': row.key})}"
            links = {
                "decided": f"{address}&state__in=confirmed,rejected",
                "rejected": f"{address}&state__exact=rejected",
            }
        low, high = (100 * bound for bound in row.interval)
        shown.append((row, 100 * row.rate, low, high, links))
    return {"what": what, "title": title, "rows": shown, "number": len(rows)}


def _bar(row, widest: int) -> list[tuple[str, float, float]]:
    """The parts of a bar: (state, start, width), in hundredths of the widest one."""
    parts, start = [], 0.0
    for state in progress.STATES:
        width = 100 * getattr(row, state) / widest if widest else 0.0
        parts.append((state, round(start, 2), round(width, 2)))
        start += width
    return parts


def _bars(person, days, highest: int) -> list[tuple[int, float, float, object, int]]:
    """A chart's bars: (x, y, height, day, decisions). Everybody's best day fills the height."""
    bars = []
    for number, (day, decisions) in enumerate(zip(days, person.days, strict=True)):
        # One decision on a busy team's chart would be no line at all.
        height = max(1.0, round(CHART_HEIGHT * decisions / highest, 1)) if decisions else 0.0
        bars.append((DAY_WIDTH * number, CHART_HEIGHT - height, height, day, decisions))
    return bars
