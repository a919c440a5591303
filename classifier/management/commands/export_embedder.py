"""`manage.py export_embedder`."""

from classifier.jobs import pretrained_embedder
from shoeproject.jobs.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    """Export pretrained weights for assessing."""

    help = (
        "Queue the export of pretrained weights (EMBED_ARCH at EMBED_SIZE pixels) for assessing "
        "with a network that has not learnt the labels. With --wait it shows progress until the "
        "embedder is there, and exports here if no worker takes it up."
    )

    def add_arguments(self, parser):
        parser.add_argument("--again", action="store_true", help="make one that is there anew")
        parser.add_argument("--wait", action="store_true", help="show progress until it is done")
        parser.add_argument("--job", type=int, help="(for workers) be the process of this job")
        parser.add_argument("--attempt", type=int, help="(for workers) the claim it belongs to")

    def shows_log(self, options) -> bool:
        return options["job"] is not None or super().shows_log(options)

    def handle(self, again, wait, job, attempt, **options):
        if job is not None:
            # This import loads torch, which only the subprocess needs.
            from classifier.training import embedder_export

            raise SystemExit(embedder_export.main(job, attempt))
        row = pretrained_embedder.ask(again=again)
        if wait:
            row = wait_for(row, pretrained_embedder.supervise)
        if row.digest:
            self.stdout.write(f"{row} is there: {row.card['name']}, {row.digest[:12]}.")
        else:
            self.stdout.write(f"{row} is {row.state}; the admin shows how it goes.")
