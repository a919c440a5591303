"""Serve fastai's `learn.predict` in a Gradio app, for `bench.serve` to compare with.

    PYTHON bench/gradio_app.py LEARNER.pkl PORT

PYTHON needs gradio and fastai; see `bench.serve`.
"""

import sys

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import gradio as gr
from fastai.vision.all import load_learner

learn = load_learner(sys.argv[1])


def recognise(image):
    """Return every class with its probability; `gr.Label` sorts them."""
    _, _, probabilities = learn.predict(image)
    return dict(zip(learn.dls.vocab, map(float, probabilities), strict=True))


app = gr.Interface(recognise, gr.Image(), gr.Label(num_top_classes=5), api_name="predict")
app.launch(server_name="127.0.0.1", server_port=int(sys.argv[2]), quiet=True)
