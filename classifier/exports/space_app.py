"""Which shoe is it? A photo in, its type out, with the words of the guide.

The packages beside this file are the recogniser's own: the same photo has the same answer here as
on the installation that this was exported from.
"""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from classifier.inference.classify import Model, Prediction, judge, predict
from classifier.inference.thresholds import ClassInfo
from curation.images import Limits
from shoeproject.errors import ProjectError

HERE = Path(__file__).resolve().parent
PRIVACY = (
    "Your photo is recognised on the machine that runs this Space and used for nothing else. It "
    "lies in that machine's temporary folder for up to twenty minutes and is then deleted."
)
SECONDS_KEPT = 600  # looked at as often, so that a photo goes after twice as long at most
TEXTS = {"pros": "Pros", "cons": "Cons", "distinction": "How to tell"}


@cache
def guide() -> dict:
    """Names and texts as they were at the export: `types`, `categories`, what each class of the
    model stands for (`classes`), the `wording` of verdicts and the `limits` of photos."""
    return json.loads((HERE / "guide.json").read_text(encoding="utf-8"))


@cache
def model() -> Model:
    """The network, every file checked. Raises BrokenVersion."""
    return Model.load(HERE / "model")


def recognise(data: bytes) -> dict:
    """An encoded photo → verdict, eyebrow, headline, advice, `top` and `type`.

    `top`: up to five of slug, name, category and confidence (0 to 1). `type`: the first of them
    with its pros, cons and distinction where the verdict is "type", else None.
    Raises a ProjectError worded for people.
    """
    said = _today(predict(data, model(), Limits(**guide()["limits"])))
    top = [_entry(slug, confidence) for slug, confidence in said.top]
    best = None
    if said.type:
        texts = {key: guide()["types"][said.type[0]][key] for key in TEXTS}
        best = {**_entry(*said.type), **texts}
    return {"verdict": said.verdict, **_worded(said, top, best), "top": top, "type": best}


def _today(said: Prediction) -> Prediction:
    """With types that merged since the training under the type that took them, judged anew."""
    classes, sums = {}, {}
    for learnt in model().classes:
        now = ClassInfo(**guide()["classes"][learnt.slug])
        classes[now.slug] = now
        sums[now.slug] = sums.get(now.slug, 0.0) + said.probabilities[learnt.slug]
    if tuple(classes.values()) == tuple(model().classes):
        return said
    merged = replace(model(), classes=tuple(classes.values()))
    return judge(np.array(list(sums.values())), said.embedding, merged)


def _entry(slug: str, confidence: float) -> dict:
    row = guide()["types"][slug]
    return {
        "slug": slug, "name": row["name"], "category": row["category"], "confidence": confidence,
    }  # fmt: skip


def _worded(said: Prediction, top: list[dict], best: dict | None) -> dict:
    words = guide()["wording"][said.verdict]
    likely = [entry for entry in top if entry["confidence"] >= guide()["likely"]]
    if said.verdict == "category":
        likely = [entry for entry in likely if entry["category"] == said.category[0]]
    names = [best["name"]] if best else [entry["name"] for entry in likely[:2]]
    first, second = (*names, "", "")[:2]
    sure = said.type or said.category
    facts = {
        "first": first,
        "second": second,
        "category": guide()["categories"].get(said.category[0], "") if said.category else "",
        "percent": _percent(sure[1]) if sure else "",
    }
    patterns = {**words, "headline": words["headlines"][len(names)]}
    return {key: patterns[key].format(**facts) for key in ("eyebrow", "headline", "advice")}


def _percent(confidence: float) -> str:
    if confidence < 0.005:
        return "<1%"
    return f"{int(confidence * 100 + 0.5)}%" if confidence < 0.995 else ">99%"


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

    model()  # what is broken is said now, not to the first visitor

    class Photo(gr.Image):
        """Hands a photo on as it was sent, byte for byte: nothing opens it before the guard."""

        is_template = True  # drawn in the browser as what it derives from

        def preprocess(self, payload):
            return payload.path if payload and payload.path else super().preprocess(payload)

    def answer(path):
        if not path:
            return "", {}, ""
        try:
            return shown(recognise(Path(path).read_bytes()))
        except ProjectError as error:
            raise gr.Error(error.detail, print_exception=False) from error

    fonts = ["system-ui", "sans-serif"]  # the visitor's own: none is fetched from elsewhere
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
