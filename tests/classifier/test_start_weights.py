"""Which network a training has, and which weights it starts from, in a given installation."""

import functools
import json

import pytest
import torch
from django.core.management import CommandError, call_command
from safetensors.torch import save_file

from classifier.errors import NoPretrainedWeights, WeightsDoNotFit
from classifier.models import ModelVersion
from classifier.recipes import get_recipe
from classifier.registry import starter
from classifier.training import process, start_weights

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path, settings):
    """Neither network nor caches nor a weights file."""
    load = functools.partial(start_weights.load_start, allow_network=False)
    monkeypatch.setattr(start_weights, "load_start", load)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    settings.PRETRAINED_WEIGHTS = ""
    monkeypatch.setattr(starter, "FOLDER", tmp_path / "starter")


def write(folder):
    """A resnet18 from random numbers, as a version's folder."""
    folder.mkdir()
    state = start_weights.bare_network("resnet18").state_dict()
    state = {name: tensor for name, tensor in state.items() if name[:3] != "fc."}
    state |= {"fc.weight": torch.zeros(1, 512), "fc.bias": torch.zeros(1)}
    about = {"arch": "resnet18", "head": "linear", "classes": ["uggs"]}
    about |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    save_file(state, folder / "weights.safetensors", {"version": json.dumps(about)})
    (folder / "card.json").write_text(json.dumps({"arch": "resnet18"}))


def test_without_weights_the_starter_and_its_network_are_trained_on(tmp_path):
    write(tmp_path / "starter")
    for start in ("auto", "starter"):
        recipe, found = process.choose_start(
            get_recipe("quick-look", {"start": start}), fixed_arch=False
        )
        assert (recipe.arch, recipe.start) == ("resnet18", "starter")
        assert found.described.startswith("the starter model") and found.classes == ("uggs",)


def test_a_network_asked_for_is_never_changed(tmp_path):
    write(tmp_path / "starter")
    with pytest.raises(NoPretrainedWeights, match="it is a resnet18"):
        process.choose_start(get_recipe("quick-look", {"arch": "resnet34"}), fixed_arch=True)


def test_without_weights_and_without_a_starter_the_run_says_so():
    with pytest.raises(NoPretrainedWeights, match="this installation has none"):
        process.choose_start(get_recipe("quick-look"), fixed_arch=False)


def test_a_weights_file_that_is_set_and_not_there_is_a_mistake(tmp_path, settings):
    write(tmp_path / "starter")
    settings.PRETRAINED_WEIGHTS = str(tmp_path / "typo.safetensors")
    for start in ("auto", "file"):
        with pytest.raises(WeightsDoNotFit, match="typo.safetensors"):
            process.choose_start(get_recipe("quick-look", {"start": start}), fixed_arch=False)


def test_nothing_is_judged_out_of_fold_from_weights_that_learnt_labels(tmp_path):
    write(tmp_path / "starter")
    with pytest.raises(CommandError, match="perhaps from those it would be judged on"):
        call_command("out_of_fold", str(tmp_path / "folds.json"), snapshot="any")
    assert not (tmp_path / "folds.json").exists()


def test_who_goes_on_from_a_version_gets_its_network(tmp_path, monkeypatch):
    write(tmp_path / "version")
    ModelVersion.objects.create(
        name="Mine", digest="0" * 64, card={"arch": "resnet18"}, active=True
    )
    monkeypatch.setattr(process.stored, "fetch", lambda version: tmp_path / "version")
    recipe, found = process.choose_start(
        get_recipe("quick-look", {"start": "version"}), fixed_arch=False
    )
    assert recipe.arch == "resnet18" and found.classes == ("uggs",)
