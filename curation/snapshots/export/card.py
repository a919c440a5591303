"""The README of an export: its images and their licences."""

import json
from collections import Counter

from curation.models import ShoeType, Snapshot
from curation.splits import Split

HEAD = """---
pretty_name: {name}
license: other
license_name: of-each-image
task_categories:
- image-classification
size_categories:
- {size}
configs:
- config_name: default
  data_files:
{files}
---

"""
SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M")]
# Split → its name on the Hugging Face hub.
HUB = {Split.TRAIN: "train", Split.VALID: "validation", Split.TEST: "test"}
METADATA = {
    "imagefolder": "`images.csv` tells of each picture, by its `path`",
    "huggingface": "`metadata.jsonl` in each of the three tells of each picture, by its "
    "`file_name`",
}
OWNERS = (
    "The licences are those of the images' owners, as they were stated where each image was found. "
    "Nobody has checked them. Whoever passes images on has to ask the owner wherever `rights` says "
    "that the licence is unknown, and may not pass on what was given for training only: `consent` "
    "has the words that the giver agreed to."
)


def text(snapshot: Snapshot, layout: str, counts: Counter, licences: Counter, missing: int) -> str:
    """The text of README.md.

    `counts`: (label, split) → images; `licences`: (licence as stated, rights) → images; `missing`:
    how many pictures of the snapshot are left out.
    """
    parts = [
        f"# {snapshot.name}\n",
        f"{counts.total()} photographs of {len({label for label, _ in counts})} kinds of shoes, "
        f"frozen on {snapshot.created_at:%Y-%m-%d} (digest of the list: `{snapshot.digest}`). They "
        "lie in `train/`, `valid/` and `test/`, in a folder for each label. Views of one thing are "
        f"in one split only. {METADATA[layout]}. Every file is an upright JPEG without metadata.\n",
    ]
    if missing:
        parts.append(
            f"{missing} pictures of the snapshot are not here, because they were removed or could "
            "not be read; `missing.csv` names them.\n"
        )
    parts += ["## Images\n", _images(counts), "## Licences\n", f"{OWNERS}\n", _licences(licences)]
    head = _head(snapshot, counts) if layout == "huggingface" else ""
    return head + "\n".join(parts)


def _head(snapshot: Snapshot, counts: Counter) -> str:
    splits = [split for split in Split if any(s == split for _, s in counts)]
    return HEAD.format(
        name=json.dumps(snapshot.name),  # a string of JSON is one of YAML
        size=next((words for below, words in SIZES if counts.total() < below), "n>1M"),
        files="\n".join(f"  - split: {HUB[s]}\n    path: {s.value}/**" for s in splits),
    )


def _images(counts: Counter) -> str:
    names = dict(ShoeType.objects.values_list("slug", "name"))
    rows = [
        f"| {_cell(label)} | {_cell(names.get(label, label))} | "
        + " | ".join(str(counts[label, split.value]) for split in Split)
        + " |"
        for label in sorted({label for label, _ in counts})
    ]
    head = "| label | name | train | valid | test |\n|---|---|---:|---:|---:|"
    return "\n".join([head, *rows]) + "\n"


def _licences(licences: Counter) -> str:
    rows = [
        f"| {_cell(licence)} | {rights} | {number} |"
        for (licence, rights), number in sorted(licences.items(), key=lambda row: -row[1])
    ]
    return "\n".join(["| licence | rights | images |\n|---|---|---:|", *rows]) + "\n"


def _cell(words: str) -> str:
    """Any text as a cell of a Markdown table."""
    return " ".join(words.split()).replace("|", "\\|")
