"""The Space: what is written, and that it answers alone as the installation does."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from classifier.answers import answer
from classifier.answers.wording import wording
from classifier.inference.classify import predict
from classifier.registry import serving
from curation import ingest
from curation.models import ShoeType
from tests import drawing, tiny_model

pytestmark = pytest.mark.django_db

# What runs in the exported folder: neither Django nor Gradio is there, nor this project.
ASK = """
import json, sys
sys.path[:] = [sys.argv[1], *(path for path in sys.path if path != sys.argv[2])]
for absent in ("django", "celery", "gradio", "rest_framework"):
    sys.modules[absent] = None
import app
from shoeproject.errors import ProjectError
said = []
for path in sys.argv[3:]:
    try:
        found = app.recognise(open(path, "rb").read())
        said.append({**found, "shown": app.shown(found)})
    except ProjectError as error:
        said.append({"code": error.code, "detail": error.detail})
import classifier.inference.classify, curation.images
assert classifier.inference.classify.__file__.startswith(sys.argv[1])
assert curation.images.__file__.startswith(sys.argv[1])
print(json.dumps(said))
"""


@pytest.fixture
def version(tmp_path):
    yield tiny_model.activate(tmp_path / "version")
    serving.forget()


def export(folder, **options):
    call_command("export_space", folder, **options)
    return folder


def ask(folder, paths, cwd):
    from django.conf import settings

    done = subprocess.run(
        [sys.executable, "-I", "-c", ASK, str(folder), str(settings.BASE_DIR), *map(str, paths)],
        capture_output=True, text=True, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pictures(folder):
    """Every verdict, and shapes and formats for the preprocessing to go wrong on."""
    colours = [*tiny_model.COLOURS.values(), (226, 0, 0), (130, 130, 130), (0, 30, 255)]
    drawn = {f"{i}.png": (Image.new("RGB", (60, 60), c), "PNG") for i, c in enumerate(colours)}
    for i, name in enumerate(["JPEG", "WEBP", "HEIF", "TIFF"]):
        shoe = drawing.shoe((700 - 150 * i, 300 + 150 * i), seed=i, background=(90 * i, 0, 0))
        drawn[f"shoe-{i}"] = (shoe, name)
    paths = []
    for name, (image, format) in drawn.items():
        paths.append(folder / name)
        paths[-1].write_bytes(drawing.encoded(image, format))
    return paths


def compare(results, paths):
    model = serving.active().model
    for result, path in zip(results, paths, strict=True):
        data = path.read_bytes()
        expected = answer.recognise(data)
        words = wording(expected)
        assert (result["verdict"], result["headline"]) == (
            expected["verdict"],
            words["headline"],
        ), path
        assert result["advice"] == words["advice"]
        assert [e["slug"] for e in result["top"]] == [e["slug"] for e in expected["top"]]
        assert [e["name"] for e in result["top"]] == [e["name"] for e in expected["top"]]
        assert (result["type"] or {}).get("pros") == (expected["type"] or {}).get("pros")
        yield result, predict(data, model, ingest.limits())


def test_space_answers_alone_as_the_installation_does(version, tmp_path):
    folder, paths = export(tmp_path / "space"), pictures(tmp_path)
    results = ask(folder, paths, tmp_path)
    for result, exact in compare(results, paths):
        for entry, (slug, confidence) in zip(result["top"], exact.top, strict=True):
            assert entry["slug"] == slug
            assert entry["confidence"] == pytest.approx(confidence, abs=1e-6)
    verdicts = {result["verdict"] for result in results}
    assert verdicts == {"type", "category", "unsure", "not_a_shoe"}


def test_page_says_not_sure_and_no_shoe_and_tells_the_guide_of_a_type(version, tmp_path):
    folder, paths = export(tmp_path / "space"), []
    for name, colour in {"type": (255, 0, 0), "cyan": (0, 255, 255), "no": (0, 0, 0)}.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(drawing.encoded(Image.new("RGB", (40, 40), colour), "PNG"))
    boots, unsure, none = (result["shown"] for result in ask(folder, paths, tmp_path))
    assert "## Chelsea boots" in boots[0] and "### How to tell" in boots[2]
    assert len(boots[1]) == 5 and max(boots[1], key=boots[1].get) == "Chelsea boots"
    assert "Not sure" in unsure[0] and unsure[2] == ""
    assert "does not look like a shoe" in none[0] and none[2] == ""


def test_merged_types_are_answered_together(version, tmp_path):
    kept, gone = (ShoeType.objects.get(slug=s) for s in ("chelsea-boots", "army-boots"))
    gone.merged_into = kept
    gone.save()
    serving.forget()
    folder, paths = export(tmp_path / "space"), pictures(tmp_path)
    results = ask(folder, paths, tmp_path)
    for result, _ in compare(results, paths):
        assert "army-boots" not in [entry["slug"] for entry in result["top"]]


def test_file_that_is_no_photo_is_refused_with_a_sentence(version, tmp_path):
    folder = export(tmp_path / "space")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    (result,) = ask(folder, [tmp_path / "a.pdf"], tmp_path)
    assert result["code"] == "image_unsupported" and "a PDF" in result["detail"]


def test_damaged_model_is_not_served(version, tmp_path):
    folder = export(tmp_path / "space")
    (folder / "model" / "model.onnx").write_bytes(b"half")
    (tmp_path / "a.png").write_bytes(drawing.encoded(drawing.shoe(), "PNG"))
    (result,) = ask(folder, [tmp_path / "a.png"], tmp_path)
    assert result["code"] == "broken_version"


def test_a_version_can_be_named(version, tmp_path):
    other = tiny_model.activate(tmp_path / "other", name="another")
    folder = export(tmp_path / "space", ref=version.short)
    assert json.loads((folder / "model" / "card.json").read_text())["name"] == "mean colour"
    assert json.loads((folder / "guide.json").read_text())["model"] == str(version) != str(other)
    with pytest.raises(CommandError, match="no version"):
        export(tmp_path / "none", ref="abcdef")
    assert not (tmp_path / "none").exists()


def test_option_is_called_version(version, tmp_path, capsys):
    call_command("export_space", str(tmp_path / "space"), f"--version={version.pk}")
    assert str(version) in capsys.readouterr().out


def test_head_of_the_readme_and_the_pins_agree(version, tmp_path):
    folder = export(tmp_path / "space")
    readme = (folder / "README.md").read_text()
    head = dict(
        line.split(": ", 1) for line in readme.split("---\n")[1].splitlines() if ": " in line
    )
    pins = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split())
    assert (head["sdk"], head["app_file"], head["license"]) == ("gradio", "app.py", "mit")
    assert head["sdk_version"] == pins["gradio"]
    assert {"onnxruntime", "numpy", "pillow", "pillow-heif"} < set(pins)
    assert "## Privacy" in readme and "deleted" in readme
    assert json.loads((folder / "guide.json").read_text())["limits"] == asdict(ingest.limits())


def test_folder_with_something_in_it_is_left_alone_unless_forced(version, tmp_path):
    folder = tmp_path / "space"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        export(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    export(folder, force=True)
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "app.py").exists()
    assert not list(folder.glob(".part-*"))


def test_without_a_model_there_is_no_space(tmp_path):
    with pytest.raises(CommandError, match="names no version"):
        export(tmp_path / "space")
