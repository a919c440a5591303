"""Admin page that shows how far the cleaning of the images is."""

from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from curation.admin.permissions import VIEW_IMAGES
from curation.reports import progress
from shoeproject.admin_pages import AdminPages, admin_page

CHART_HEIGHT, DAY_WIDTH = 40, 6  # pixels


class ProgressPages(AdminPages):
    """Mixin for the admin of snapshots."""

    @admin_page("board/", "board", VIEW_IMAGES)
    def progress_page(self, request):
        """Show counts, findings, decisions and noise, with links to the queue."""
        board = progress.read_board()
        widest = max((row.total for row in board.types), default=0)
        highest = max(board.everybody.days)
        return self.render_page(
            request,
            "admin/curation/progress.html",
            "Progress",
            board=board,
            images=sum(board.states.values()),
            states=[
                (state, number, _state_url(state))
                for state, number in board.states.items()
                if number
            ],
            types=[(row, _bar(row, widest), _queue_urls(given=row.slug)) for row in board.types],
            noise=[
                _noise_table("type", "given label", "given", board.error_rates["type"]),
                _noise_table("site", "site", "domain", board.error_rates["domain"]),
                _noise_table("query", "search", None, board.error_rates["query"]),
            ],
            reasons=[(row, queue_url(reason=row.slug)) for row in board.reasons],
            overlap=[
                (a, b, number, queue_url(given=slug_a, suggested=slug_b))
                for slug_a, slug_b, a, b, number in board.overlap
            ],
            chart={"width": DAY_WIDTH * len(board.days), "height": CHART_HEIGHT},
            activity=[
                (person, _day_bars(person, board.days, highest))
                for person in [board.everybody, *board.people]
                if person.total
            ],
            least=settings.BOARD_MIN_DECIDED,
            few=settings.BOARD_FEW_IMAGES,
        )


def queue_url(**choices) -> str:
    """Return the address of the queue with a value, or a list of them, chosen of each facet."""
    return f"{reverse('admin:curation_queue')}?{urlencode(choices, doseq=True)}"


def _state_url(state: str) -> str:
    if state == "purged":  # the queue holds only images that are still stored
        return f"{reverse('admin:curation_shoeimage_changelist')}?state__exact=purged"
    return queue_url(state=state)


def _queue_urls(**choices) -> dict[str, str]:
    urls = {state: queue_url(**choices, state=state) for state in progress.STATES}
    return {**urls, "decided": queue_url(**choices, state=list(progress.DECIDED))}


def _noise_table(what: str, title: str, facet: str | None, rows) -> dict:
    """Return one table of noise rates, with links: to the queue, or, for searches, of which the
    queue has no facet, to the list of images."""
    shown = []
    for row in rows[: settings.BOARD_ROWS]:
        if facet:
            urls = _queue_urls(**{facet: row.key})
        else:
            images = reverse("admin:curation_shoeimage_changelist")
            url = f"{images}?{urlencode({'query__exact': row.key})}"
            urls = {
                "decided": f"{url}&state__in=confirmed,rejected",
                "rejected": f"{url}&state__exact=rejected",
            }
        low, high = (100 * bound for bound in row.interval)
        shown.append((row, 100 * row.rate, low, high, urls))
    return {"what": what, "title": title, "rows": shown, "number": len(rows)}


def _bar(row, widest: int) -> list[tuple[str, float, float]]:
    """Return the parts of a bar: (state, start, width), in hundredths of the widest bar."""
    parts, start = [], 0.0
    for state in progress.STATES:
        width = 100 * getattr(row, state) / widest if widest else 0.0
        parts.append((state, round(start, 2), round(width, 2)))
        start += width
    return parts


def _day_bars(person, days, highest: int) -> list[tuple[int, float, float, object, int]]:
    """Return a chart's bars: (x, y, height, day, decisions); `highest` fills the height."""
    bars = []
    for number, (day, decisions) in enumerate(zip(days, person.days, strict=True)):
        # One decision beside a busy team's hundreds would otherwise be invisible.
        height = max(1.0, round(CHART_HEIGHT * decisions / highest, 1)) if decisions else 0.0
        bars.append((DAY_WIDTH * number, CHART_HEIGHT - height, height, day, decisions))
    return bars
