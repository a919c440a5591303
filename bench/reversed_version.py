"""Register a version that answers otherwise than the model that comes with the project."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from classifier.inference.card import CARD, GRAPH, HEAD, file_facts, reference_array, write_card
from classifier.inference.onnx_session import open_session
from classifier.inference.preprocess import Preprocess
from classifier.models import ModelVersion
from classifier.registry import starter


def register_reversed() -> ModelVersion:
    """Register the starter with its last layer reversed as another version."""
    card = json.loads((starter.FOLDER / CARD).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for file in card["files"]:
            shutil.copyfile(starter.FOLDER / file, folder / file)
        graph = reversed_head(onnx.load(folder / GRAPH)).SerializeToString()
        (folder / GRAPH).write_bytes(graph)
        np.save(folder / HEAD, np.load(folder / HEAD)[::-1])
        image = reference_array(Preprocess.from_json(card["preprocess"]))
        logits = open_session(graph).run(["logits"], {"image": image})[0][0]
        card["reference"]["logits"] = logits.tolist()
        card |= {"name": "Starter, reversed", "temperature": card["temperature"] * 1.25}
        card["files"] = file_facts(folder)
        write_card(card, folder)
        return starter.register(folder)


def reversed_head(model: onnx.ModelProto) -> onnx.ModelProto:
    """Reverse the graph's logits: class i gets those of class n − 1 − i."""
    last = next(node for node in model.graph.node if "logits" in node.output)
    for tensor in model.graph.initializer:
        if tensor.name in last.input:
            rows = np.ascontiguousarray(numpy_helper.to_array(tensor)[::-1])
            tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))
    return model
