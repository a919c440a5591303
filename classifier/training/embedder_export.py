"""Export pretrained weights, which have not learnt the labels, as an embedder for assessments.

Only `manage.py export_embedder` imports this module, because it imports torch.
"""

from pathlib import Path

from django.conf import settings

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch

from classifier.errors import NoPretrainedWeights
from classifier.inference.card import FORMAT, GRAPH, file_facts, reference_array, write_card
from classifier.inference.embedding import EMBEDDER_OUTPUTS, Embedder
from classifier.inference.onnx_session import open_session
from classifier.inference.preprocess import Preprocess
from classifier.jobs import subprocesses
from classifier.jobs.pretrained_embedder import NoEmbedderWeights, WeightsSawLabels
from classifier.models import PretrainedEmbedder
from classifier.registry import stored
from classifier.training import start_weights
from classifier.training.export import FP32_REFERENCE_TOLERANCE, check_output, export_graph
from classifier.training.start_weights import Start, bare_network, check_fit
from shoeproject.jobs import Claim
from shoeproject.storage.files import written_beside

STEPS = 3
NAME_LENGTH = 120  # characters of an embedder's name that an assessment has room for


def main(job_id: int, attempt: int | None) -> int:
    """Export embedder `job_id` under the claim numbered `attempt`; returns the exit status."""
    return subprocesses.run_in_subprocess(PretrainedEmbedder, job_id, attempt, run, "exports")


def run(claim: Claim, scratch: Path) -> None:
    """Load the weights, export them, store the folder and write the job's row."""
    job = claim.job
    claim.tick(0, STEPS, "steps; fetching the weights", force=True)
    start = load_unlabelled_start(job.arch)
    claim.tick(1, what="steps; exporting", force=True)
    card = export_embedder(job.arch, start, job.size, scratch / "embedder")
    claim.tick(2, what="steps; storing", force=True)
    digest = stored.put(scratch / "embedder", card, PretrainedEmbedder)
    claim.tick(STEPS, what="steps", force=True)
    with claim.transaction():
        claim.row().update(digest=digest, card=card)


def load_unlabelled_start(arch: str) -> Start:
    """Weights for `arch` without labels: the weights file if one is set, else ImageNet's.

    Never the starter's. Raises NoEmbedderWeights, WeightsSawLabels, WeightsDoNotFit,
    UnknownArchitecture.
    """
    file = Path(settings.PRETRAINED_WEIGHTS) if settings.PRETRAINED_WEIGHTS else None
    try:
        start = start_weights.load_start(arch, "file" if file else "imagenet", file)
    except NoPretrainedWeights as error:
        raise NoEmbedderWeights(arch, error.tried, error.offers) from error
    if start.classes:
        raise WeightsSawLabels(start.described)
    return start


def export_embedder(arch: str, start: Start, size: int, out: Path) -> dict:
    """Write the body of `arch` with the start's weights as a graph; returns its card.

    The graph maps a normalised picture, float32 (n, 3, size, size), to its pooled features,
    (n, channels). Raises WeightsDoNotFit, ExportMismatch, BrokenVersion.
    """
    network = bare_network(arch)
    if start.state is not None:
        check_fit(network, arch, start)
        network.load_state_dict(start.state, strict=False)
    network.eval()
    spec = Preprocess(size=size, mean=start.mean, std=start.std)
    picture = reference_array(spec)
    with written_beside(out) as folder:
        folder.mkdir()
        export_graph(network, np.repeat(picture, 2, axis=0), folder / GRAPH, EMBEDDER_OUTPUTS)
        with torch.no_grad():
            expected = network(torch.from_numpy(picture)).numpy()[0]
        session = open_session((folder / GRAPH).read_bytes(), outputs=EMBEDDER_OUTPUTS)
        embedding = session.run(EMBEDDER_OUTPUTS, {"image": picture})[0][0]
        check_output("embedding", embedding, expected)
        card = {
            "format": FORMAT,
            "name": start.described[:NAME_LENGTH],
            "arch": arch,
            "preprocess": spec.as_json(),
            "reference": {
                "embedding": [round(float(value), 5) for value in embedding],
                "tolerance": FP32_REFERENCE_TOLERANCE * max(1.0, float(np.abs(embedding).max())),
            },
            "files": file_facts(folder),
        }
        write_card(card, folder)
        Embedder.load(folder)  # as assessing will
    return card
