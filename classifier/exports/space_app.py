"""Which shoe is it? A photo in, its type out, with the words of the guide.

The packages beside this file are the recogniser's own: a photo has the same answer here as on the
installation that this was exported from.
"""

import json
from functools import cache
from pathlib import Path

from classifier.answers.wording import wording
from classifier.inference.classify import predict, with_classes
from classifier.inference.model import Model
from classifier.inference.thresholds import ClassInfo
from curation.images import Limits
from shoeproject.errors import ProjectError

HERE = Path(__file__).resolve().parent
PRIVACY = (
    "Your photo is recognised on the machine that runs this Space and used for nothing else. It "
    "lies in that machine's temporary folder for up to twenty minutes and is then deleted."
)
SECONDS_KEPT = 600  # also how often Gradio checks: a photo stays for twice as long at most
TEXTS = {"pros": "Pros", "cons": "Cons", "distinction": "How to tell"}


@cache
def guide() -> dict:
    """Names and texts as they were at the export: `types`, `categories`, what each class of the
    model stands for (`classes`), and the `limits` of photos."""
    return json.loads((HERE / "guide.json").read_text(encoding="utf-8"))


@cache
def model() -> Model:
    """The network, every file checked. Raises BrokenVersion."""
    return Model.load(HERE / "model")


def recognise(data: bytes) -> dict:
    """An encoded photo → verdict, eyebrow, headline, advice, `top`, `type` and `category`.

    `top`: up to five of slug, name, category and confidence (0 to 1). `type`: the first of them
    with its pros, cons and distinction where the verdict is "type", else None. `category`: slug,
    name and confidence with the verdicts "type" and "category", else None.
    Raises a ProjectError worded for people.
    """
    prediction = predict(data, model(), Limits(**guide()["limits"]))
    classes = [ClassInfo(**guide()["classes"][learnt.slug]) for learnt in model().classes]
    today = with_classes(prediction, model(), classes)
    best, category, types = today.type, today.category, guide()["types"]
    answer = {
        "verdict": today.verdict,
        "top": [_entry(*pair) for pair in today.top],
        "type": best and {**_entry(*best), **{key: types[best[0]][key] for key in TEXTS}},
        "category": category and _category(*category),
    }
    return {**answer, **wording(answer)}


def _entry(slug: str, confidence: float) -> dict:
    row = guide()["types"][slug]
    return {
        "slug": slug, "name": row["name"], "category": row["category"], "confidence": confidence,
    }  # fmt: skip


def _category(slug: str, confidence: float) -> dict:
    return {"slug": slug, "name": guide()["categories"].get(slug, ""), "confidence": confidence}


def shown(answer: dict) -> tuple[str, dict[str, float], str]:
    """An answer for the page: the verdict in Markdown, confidences by name, the guide in
    Markdown."""
    verdict = f"{answer['eyebrow']}\n\n## {answer['headline']}\n\n{answer['advice']}"
    texts = ""
    for key, title in TEXTS.items():
        if answer["type"] and answer["type"][key]:
            lines = "\n".join(f"- {sentence}" for sentence in answer["type"][key])
            texts += f"### {title}\n\n{lines}\n\n"
    return verdict, {e["name"]: e["confidence"] for e in answer["top"]}, texts


def main():
    """Serve the page."""
    import gradio as gr

    model()  # a broken version fails now and not with the first visitor

    class Photo(gr.Image):
        """Passes a photo on byte for byte, so that nothing decodes it before our own checks."""

        is_template = True  # in the browser it is the component it derives from

        def preprocess(self, payload):
            return payload.path if payload and payload.path else super().preprocess(payload)

    def answer(path):
        if not path:
            return "", {}, ""
        try:
            return shown(recognise(Path(path).read_bytes()))
        except ProjectError as error:
            raise gr.Error(error.detail, print_exception=False) from error

    fonts = ["system-ui", "sans-serif"]  # of the visitor's machine: none is downloaded
    theme = gr.themes.Soft(primary_hue="orange", font=fonts, font_mono=["monospace"])
    kept = (SECONDS_KEPT, SECONDS_KEPT)
    with gr.Blocks(title="Which shoe is it?", analytics_enabled=False, delete_cache=kept) as page:
        gr.Markdown("# Which shoe is it?\n\nShow a photo: one shoe, from the side, all of it.")
        with gr.Row():
            photo = Photo(type="filepath", image_mode=None, label="Photo", height=360)
            with gr.Column():
                verdict = gr.Markdown()
                top = gr.Label(num_top_classes=5, show_heading=False, label="Closest types")
        texts = gr.Markdown()
        gr.Markdown(f"{PRIVACY}\n\nAnswers by {guide()['model']}.")
        photo.change(answer, photo, [verdict, top, texts], api_name="predict")
    page.launch(
        theme=theme,
        max_file_size=guide()["limits"]["max_bytes"],
        run_history=False,
        footer_links=["api", "gradio"],
    )


if __name__ == "__main__":
    main()
