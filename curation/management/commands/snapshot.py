"""`manage.py snapshot NAME`."""

from curation.snapshots import freeze
from curation.splits import Split
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Freeze the labelled images that are not rejected into a snapshot to train on."

    def add_arguments(self, parser):
        parser.add_argument("name", help="letters, digits, hyphens and underscores")
        parser.add_argument(
            "--min-size", type=int, default=0, metavar="PIXELS", help="of the shorter side"
        )
        parser.add_argument(
            "--confirmed", action="store_true", help="only images somebody has looked at"
        )

    def handle(self, name, min_size, confirmed, **options):
        frozen = freeze.freeze(name, freeze.Filter(min_size, confirmed))
        splits = {split: sum(row[split] for row in frozen.counts.values()) for split in Split}
        self.stdout.write(
            f"{frozen.name}: {frozen.images} images of {len(frozen.counts)} labels "
            f"(train {splits['train']}, valid {splits['valid']}, test {splits['test']}), "
            f"digest {frozen.digest[:12]}"
        )
