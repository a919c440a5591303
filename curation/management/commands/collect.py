"""`manage.py collect "Chelsea boots" --count 200`."""

from django.core.management.base import CommandError

from curation import ingest, search
from curation.collect.configuration import ignored_filters
from curation.collect.outcomes import REASONS, HitCounts
from curation.collect.run import collect_images
from curation.collect.start import start_collections
from curation.models import Collection, ShoeType
from shoeproject.jobs.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    help = (
        "Search the web for images of one type or several and bring in those that are new. What "
        "comes in has its type proposed, or with --set-label set, and waits in the queue."
    )

    def add_arguments(self, parser):
        filters = ", ".join(f"{n}={'|'.join(values)}" for n, values in search.FILTERS.items())
        add = parser.add_argument
        add("types", nargs="*", metavar="TYPE", help="a type's name or slug")
        add("--all", action="store_true", help="all types of the guide")
        add("--count", type=int, default=200, help="new images of each type (default 200)")
        add("--term", action="append", default=[], help="search for this (repeatable, one TYPE)")
        add("--filter", action="append", default=[], metavar="NAME=VALUE", help=filters)
        add("--unsafe", action="store_true", help="without safe search")
        add("--set-label", action="store_true", help="label what comes in at once")
        add("--wait", action="store_true", help="show progress; work here where no worker does")

    def handle(self, types, all, count, term, filter, unsafe, set_label, wait, **options):
        pairs = [text.partition("=") for text in filter]
        jobs = start_collections(
            _types(types, all), count, terms=term, safe=not unsafe, set_label=set_label,
            filters={name.strip(): value.strip() for name, _, value in pairs},
        )  # fmt: skip
        for job in jobs:
            if wait:
                self._print(wait_for(job, collect_images))
            else:
                self.stdout.write(f"Collection {job.pk}: {job} is queued.")

    def _print(self, job: Collection):
        counts = HitCounts.of(job)
        self.stdout.write(f"{job.shoe_type}: {counts.accepted} of {job.count} images; {counts}")
        for reason, number in counts.refused.most_common():
            self.stdout.write(f"  {number:5d} {REASONS.get(reason, reason)}")
        for note in [*ignored_filters(job), *job.report.get("notes", [])]:
            self.stdout.write(f"  {note}")
        if job.report.get("dry"):
            self.stdout.write("  The results ran dry. Other search terms may find more.")


def _types(names: list[str], everything: bool) -> list[ShoeType]:
    if everything:
        return list(ShoeType.objects.filter(kind=ShoeType.Kind.TYPE, merged_into=None))
    labels = ingest.Labels()
    types = {name: labels.get(name) for name in names}
    for name, shoe_type in types.items():
        if shoe_type is None:
            raise CommandError(
                f"There is no type “{name}”. Name one of the guide, such as “Chelsea boots”."
            )
    return list(types.values())
