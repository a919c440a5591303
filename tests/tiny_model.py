"""A model version of a few kilobytes, built without torch: it answers by a picture's mean colour.

Its graph has the three outputs of a real one. `features` is the picture averaged over blocks,
`embedding` the mean colour (r, g, b from 0 to 1), and a class's logit falls with the squared
distance of the mean colour from the class's own: |x − c|² without |x|², which is alike for all
classes, is linear in x, so the head is a plain Linear like that of a trained network.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from classifier.inference.card import FORMAT, GRAPH, HEAD, file_facts, reference_array, write_card
from classifier.inference.onnx_session import OUTPUTS, open_session
from classifier.inference.preprocess import Preprocess
from classifier.models import ModelVersion
from classifier.registry import serving, stored
from curation.models import ShoeType

SIZE, BLOCK, SHARPNESS = 32, 8, 60.0
# Slug → the colour (0 to 255) that a picture of it has throughout.
COLOURS = {
    "chelsea-boots": (255, 0, 0),
    "army-boots": (200, 0, 0),
    "uggs": (150, 0, 0),
    "brogues": (0, 0, 255),
    "loafers": (0, 60, 255),
    "running-shoes": (0, 255, 0),
    "sandals": (255, 255, 0),
    "mary-jane-platforms": (255, 0, 255),
    "other-shoe": (0, 255, 255),
    "not-a-shoe": (0, 0, 0),
}
THRESHOLDS = {"type": 0.6, "category": 0.6, "not_a_shoe": 0.5}


def head(colours) -> np.ndarray:
    """Float32 (classes, 4): the Linear's weights and in the last column its bias."""
    centres = np.array(list(colours), np.float32) / 255
    bias = -SHARPNESS * (centres**2).sum(axis=1, keepdims=True)
    return np.hstack([2 * SHARPNESS * centres, bias]).astype(np.float32)


def graph(weights: np.ndarray) -> bytes:
    """The ONNX graph: image (n, 3, SIZE, SIZE) → logits, embedding, features."""
    nodes = [
        helper.make_node(
            "AveragePool",
            ["image"],
            ["features"],
            kernel_shape=[BLOCK, BLOCK],
            strides=[BLOCK, BLOCK],
        ),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    shapes = {
        "logits": ["n", len(weights)],
        "embedding": ["n", 3],
        "features": ["n", 3, SIZE // BLOCK, SIZE // BLOCK],
    }

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    made = helper.make_graph(
        nodes,
        "mean colour",
        [value("image", ["n", 3, SIZE, SIZE])],
        [value(name, shapes[name]) for name in OUTPUTS],
        [
            numpy_helper.from_array(np.ascontiguousarray(weights[:, :3]), "weight"),
            numpy_helper.from_array(np.ascontiguousarray(weights[:, 3]), "bias"),
        ],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def write(folder: Path, classes: list[dict], colours, name: str, thresholds=None) -> dict:
    """Write a version into `folder`, valid for `Model.load`; returns its card."""
    spec = Preprocess(size=SIZE, fit="pad", mean=(0, 0, 0), std=(1, 1, 1))
    weights = head(colours)
    (folder / GRAPH).write_bytes(graph(weights))
    np.save(folder / HEAD, weights)
    logits = open_session((folder / GRAPH).read_bytes()).run(
        ["logits"], {"image": reference_array(spec)}
    )[0][0]
    card = {
        "format": FORMAT,
        "name": name,
        "arch": "mean-colour",
        "classes": classes,
        "preprocess": spec.as_json(),
        "temperature": 1.0,
        "thresholds": thresholds or THRESHOLDS,
        "precision": "fp32",
        "agreement": None,
        "training": {},
        "reference": {"logits": logits.tolist(), "tolerance": 1e-3},
        "files": file_facts(folder),
    }
    write_card(card, folder)
    return card


def activate(folder: Path, colours=COLOURS, name="mean colour", thresholds=None) -> ModelVersion:
    """Make such a version of the guide's types the active one; `folder` is where it is built."""
    rows = {row.slug: row for row in ShoeType.objects.select_related("category")}
    classes = [
        {
            "slug": slug,
            "kind": rows[slug].kind if slug in rows else "type",
            "category": (rows[slug].category.slug if rows[slug].category else "")
            if slug in rows
            else "boots",
        }
        for slug in colours
    ]
    folder.mkdir(parents=True, exist_ok=True)
    card = write(folder, classes, colours.values(), name, thresholds)
    digest = stored.put(folder, card)
    ModelVersion.objects.filter(active=True).update(active=False)
    version, _ = ModelVersion.objects.update_or_create(
        digest=digest, defaults={"name": name, "card": card, "active": True}
    )
    serving.forget()
    return version
