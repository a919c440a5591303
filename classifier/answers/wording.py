"""The words of an answer: what each verdict is called, its headline and advice. Pure.

The page's script and an exported Space fill in the same patterns, so the words are written here
alone.
"""

LIKELY = 0.1  # confidence below which a verdict short of a type does not mention a type

# By verdict: eyebrow (a word or two above), headlines by the number of types to name, and advice
# (a sentence below).
WORDING = {
    "type": {
        "eyebrow": "{category}",
        "headlines": ["{first}", "{first}", "{first}"],
        "advice": "The model is {percent} sure.",
    },
    "category": {
        "eyebrow": "Family recognised",
        "headlines": [
            "{category}",
            "{category}, probably {first}",
            "{category}, probably {first} or {second}",
        ],
        "advice": "The family is clear ({percent}), the exact type is not. A photo from the side, "
        "with the whole shoe in view, often settles it.",
    },
    "unsure": {
        "eyebrow": "No clear answer",
        "headlines": [
            "Not sure – this photo does not tell",
            "Not sure – perhaps {first}",
            "Not sure – perhaps {first} or {second}",
        ],
        "advice": "Nothing stands out enough to name it. Try a photo from the side, in good light, "
        "with the whole shoe in view.",
    },
    "not_a_shoe": {
        "eyebrow": "No shoe found",
        "headlines": ["This does not look like a shoe"] * 3,
        "advice": "If there is one, try a photo in which a single shoe fills most of the picture.",
    },
}


def wording(answer: dict) -> dict[str, str]:
    """An answer's verdict in words: eyebrow, headline and advice."""
    likely = [entry for entry in answer["top"] if entry["confidence"] >= LIKELY]
    if answer["verdict"] == "category":
        likely = [e for e in likely if e["category"] == answer["category"]["slug"]]
    names = [entry["name"] for entry in ([answer["type"]] if answer["type"] else likely[:2])]
    first, second = (*names, "", "")[:2]
    best = answer["type"] or answer["category"]
    facts = {
        "first": first,
        "second": second,
        "category": answer["category"]["name"] if answer["category"] else "",
        "percent": percent(best["confidence"]) if best else "",
    }
    words = WORDING[answer["verdict"]]
    patterns = {**words, "headline": words["headlines"][len(names)]}
    return {key: patterns[key].format(**facts) for key in ("eyebrow", "headline", "advice")}


def percent(confidence: float) -> str:
    """A confidence for people: "87%". It is never rounded to none or to certainty."""
    if confidence < 0.005:
        return "<1%"
    return f"{int(confidence * 100 + 0.5)}%" if confidence < 0.995 else ">99%"
