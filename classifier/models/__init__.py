"""The model's tables: runs, versions, evaluations, promotions, feedback."""

from classifier.models.embedder import PretrainedEmbedder
from classifier.models.feedback import Feedback
from classifier.models.token import AccessToken
from classifier.models.training import Epoch, TrainingRun
from classifier.models.version import Evaluation, ModelVersion, Promotion

__all__ = [
    "AccessToken",
    "Epoch",
    "Evaluation",
    "Feedback",
    "ModelVersion",
    "PretrainedEmbedder",
    "Promotion",
    "TrainingRun",
]
