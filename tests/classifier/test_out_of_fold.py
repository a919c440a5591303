"""Types too small for the test split, judged by networks that never saw the fold judged."""

import dataclasses
import io
import json

import pytest
from django.core.management import call_command

from classifier.inference.thresholds import ClassInfo
from classifier.recipes import PRESETS, get_recipe
from classifier.training import out_of_fold
from classifier.training.start_weights import Start
from curation import ingest
from curation.snapshots import freeze
from curation.snapshots.manifest import ManifestLine
from tests.factories import shoe_type
from tests.shape_drawings import draw

RECIPE = get_recipe(
    "quick-look",
    {
        "arch": "resnet18", "start": "scratch", "size": 32, "batch_size": 8, "rounds": "3",
        "head_epochs": 0, "images_per_epoch": 64, "lr": 0.01, "threads": 1, "workers": 0,
    },
)  # fmt: skip
CLASSES = [ClassInfo("disc"), ClassInfo("bars"), ClassInfo("blank", "not-a-shoe")]


def png(shape: str, number: int) -> bytes:
    out = io.BytesIO()
    draw(shape, number).save(out, "PNG")
    return out.getvalue()


def line(label: str, number: int, split="train", group="") -> ManifestLine:
    sha256 = f"{label}-{number}"
    return ManifestLine(sha256, sha256, label, split, group, "drawn", "catalogue", "none")


def test_small_types_are_those_with_few_test_groups():
    lines = [line("disc", n, "test", f"d{n}") for n in range(8)]
    lines += [line("bars", n, "test", f"b{n % 7}") for n in range(30)]
    lines += [line("blank", 1, "test")]
    assert out_of_fold.small_types(lines, CLASSES) == ["bars"]


def test_all_of_small_types_and_some_of_the_rest_are_used():
    lines = [line(label, n) for label in ("disc", "bars", "blank", "unknown") for n in range(20)]
    chosen = out_of_fold.choose(lines, CLASSES, ["bars"], per_label=5)
    counts = {label: sum(x.label == label for x in chosen) for label in ("disc", "bars", "blank")}
    assert counts == {"disc": 5, "bars": 20, "blank": 5} and len(chosen) == 30
    assert out_of_fold.choose(lines[::-1], CLASSES, ["bars"], 5) == chosen


def test_folds_keep_groups_together_and_are_about_even():
    lines = [line("disc", n, group=f"d{n // 4}") for n in range(36)]
    lines += [line("bars", n) for n in range(10)]
    lines += [line("blank", 1, group="d0")]  # a product under two labels
    folds = out_of_fold.folds_of(lines, 3)
    where = {}
    for one, fold in zip(lines, folds, strict=True):
        assert where.setdefault(one.group or one.sha256, fold) == fold
    discs = [fold for one, fold in zip(lines, folds, strict=True) if one.label == "disc"]
    assert sorted(discs.count(fold) for fold in range(3)) == [12, 12, 12]


@pytest.fixture
def drawn(tmp_path):
    """Lines and files of drawn pictures: shapes that a small network tells apart."""
    lines, paths = [], {}
    for info in CLASSES:
        for number in range(18):
            one = line(info.slug, number, group=f"{info.slug}{number // 2}")
            lines.append(one)
            paths[one.stored_sha256] = tmp_path / f"{one.sha256}.png"
            draw(info.slug, number).save(paths[one.stored_sha256])
    return lines, paths


def test_every_picture_of_a_small_type_is_judged_once(drawn, tmp_path):
    lines, paths = drawn
    told = []
    ask = [
        lines, paths, CLASSES, ["disc", "bars"], RECIPE, Start(None, "random"), 7, 2,
        tmp_path / "scratch",
    ]  # fmt: skip
    rows = out_of_fold.judge(*ask, lambda *numbers: told.append(numbers))
    assert set(rows) == {"disc", "bars"}
    assert all((row["images"], row["groups"]) == (18, 9) for row in rows.values())
    assert sum(row["right"] for row in rows.values()) >= 27  # guessing would give 18 of 36
    assert {fold for fold, *_ in told} == {0, 1} and {of for *_, of in told} == {24}
    # Started again it finds everything done.
    told.clear()
    assert out_of_fold.judge(*ask, lambda *numbers: told.append(numbers)) == rows
    assert told == []


@pytest.mark.django_db
def test_the_command_writes_what_a_starter_carries(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(out_of_fold, "MIN_GROUPS", 1000)  # all types are small here
    monkeypatch.setitem(PRESETS, "tiny", dataclasses.replace(RECIPE, name="tiny"))
    for number in range(60):
        for shape, slug in (("disc", "brogues"), ("bars", "uggs")):
            ingest.add_image(png(shape, number), ingest.Origin(), label=shoe_type(slug))
    freeze.freeze("drawn", freeze.Filter())
    file = tmp_path / "folds.json"
    call_command("out_of_fold", str(file), snapshot="drawn", recipe="tiny", folds=2, per_label=5)
    written = json.loads(file.read_text())
    assert (written["folds"], written["recipe"], written["images"]) == (2, "tiny", 120)
    assert {slug: row["images"] for slug, row in written["per_type"].items()} == {
        "brogues": 60, "uggs": 60
    }  # fmt: skip
    assert "of 60 images" in capsys.readouterr().out
