"""Celery's doors into this app's jobs."""

from celery import shared_task

from classifier import evaluate, runs
from classifier.models import Evaluation, TrainingRun
from shoeproject import jobs


@shared_task(name=TrainingRun.task)
def run_training(pk):
    """Perform one training."""
    jobs.perform(TrainingRun, pk, runs.supervise)


@shared_task(name=Evaluation.task)
def run_evaluation(pk):
    """Perform one evaluation."""
    jobs.perform(Evaluation, pk, evaluate.run)
