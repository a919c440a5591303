"""Celery tasks: each runs one job."""

from celery import shared_task

from classifier.jobs import evaluation, pretrained_embedder, training
from classifier.models import Evaluation, PretrainedEmbedder, TrainingRun
from curation.models import AssessRun
from shoeproject import jobs


@shared_task(name=TrainingRun.task)
def run_training(pk):
    """Perform one training."""
    jobs.perform(TrainingRun, pk, training.supervise)


@shared_task(name=Evaluation.task)
def run_evaluation(pk):
    """Perform one evaluation."""
    jobs.perform(Evaluation, pk, evaluation.run)


@shared_task(name=PretrainedEmbedder.task)
def export_embedder(pk):
    """Export one embedder."""
    jobs.perform(PretrainedEmbedder, pk, pretrained_embedder.supervise)


# The libraries behind an assessment take two seconds to load; other tasks should not wait for them.


@shared_task(name=AssessRun.task)
def run_assessment(pk):
    """Perform one assessment."""
    from classifier.jobs import assessment

    jobs.perform(AssessRun, pk, assessment.run)


@shared_task(name="classifier.assess_part")
def help_assess(pk):
    """Compute features for an assessment that another worker performs."""
    from classifier.jobs import assessment, chunks

    chunks.help_with(pk, assessment.load_embedder)
