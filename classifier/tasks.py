"""Celery's doors into this app's jobs."""

from celery import shared_task

from classifier import embedders, evaluate, runs
from classifier.models import Evaluation, PretrainedEmbedder, TrainingRun
from curation.models import AssessRun
from shoeproject import jobs


@shared_task(name=TrainingRun.task)
def run_training(pk):
    """Perform one training."""
    jobs.perform(TrainingRun, pk, runs.supervise)


@shared_task(name=Evaluation.task)
def run_evaluation(pk):
    """Perform one evaluation."""
    jobs.perform(Evaluation, pk, evaluate.run)


@shared_task(name=PretrainedEmbedder.task)
def export_embedder(pk):
    """Export one embedder."""
    jobs.perform(PretrainedEmbedder, pk, embedders.supervise)


# The libraries behind an assessment take two seconds to load, which no other task should wait for.


@shared_task(name=AssessRun.task)
def run_assessment(pk):
    """Perform one assessment."""
    from classifier.assess import job

    jobs.perform(AssessRun, pk, job.run)


@shared_task(name="classifier.assess_part")
def help_assess(pk):
    """Look at pictures for an assessment that another worker performs."""
    from classifier.assess import job, parts

    parts.help_with(pk, job.load_eye)
