"""`manage.py assess`."""

from classifier.assess import request
from classifier.jobs import pretrained_embedder
from curation.models import AssessRun
from shoeproject.jobs.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    """Have every image assessed."""

    help = (
        "Let a model look at every image and say what may be wrong: labels, copies, outliers, "
        "pictures of poor quality. The queue in the admin and `manage.py findings` show it."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--embedding",
            choices=AssessRun.Embedding.values,
            default=AssessRun.Embedding.ACTIVE,
            help="whose features: the active version's, or those of the weights a training starts "
            "from, which have not learnt wrong labels by heart",
        )
        parser.add_argument("--wait", action="store_true", help="show progress until it is done")

    def handle(self, embedding, wait, **options):
        run = request.ask(embedding)
        if not wait:
            self.stdout.write(f"{run} is queued; the admin shows how it goes.")
            return
        # Loaded only where this process may have to do the work.
        from classifier.jobs import assessment

        if embedding == AssessRun.Embedding.PRETRAINED:
            # A job of its own, which may be without a worker too.
            wait_for(pretrained_embedder.ask(since=run.created_at), pretrained_embedder.supervise)

        run = wait_for(run, assessment.run)
        self.stdout.write(f"{run.images} images assessed by {run.model_name}.")
        for reason, number in sorted(run.report["reasons"].items(), key=lambda row: -row[1]):
            self.stdout.write(f"  {reason:16s} {number}")
        if not run.report["labels_judged"]:
            self.stdout.write(
                "The labels could not be judged: that needs two types with images of two different "
                "things each."
            )
