import json
import subprocess
import sys

import pytest

from classifier.errors import BadOverride, UnknownRecipe
from classifier.recipes import PRESETS, Recipe, View, get_recipe


def test_original_is_fine_tune_5_then_four_times_fine_tune_2():
    phases = get_recipe("original").phases
    assert [(p.frozen, p.epochs) for p in phases] == [(True, 1), (False, 5)] + 4 * [
        (True, 1),
        (False, 2),
    ]
    assert [p.start for p in phases] == [0, 1, 6, 7, 9, 10, 12, 13, 15, 16]
    assert get_recipe("original").epochs == 18


def test_rates_are_those_of_fastais_fine_tune():
    frozen, unfrozen = get_recipe("original").phases[:2]
    assert (frozen.lr_low, frozen.lr_high, frozen.pct_start, frozen.div) == (None, 2e-3, 0.99, 25)
    assert (unfrozen.lr_low, unfrozen.lr_high) == (pytest.approx(1e-5), 1e-3)
    assert (unfrozen.pct_start, unfrozen.div) == (0.3, 5)


def test_quick_look_is_short_and_small():
    recipe = get_recipe("quick-look")
    assert (recipe.size, recipe.fit, recipe.head, recipe.batch_size) == (128, "pad", "linear", 32)
    assert recipe.epochs == 5 and recipe.images_per_epoch == 2000


def test_best_grows_its_pictures_and_ends_gently():
    recipe = get_recipe("best")
    first, second = recipe.phases
    assert (first.view, second.view) == (View(128, 0.35, 0.3), View(144, 0.7, 0.1))
    assert recipe.size == 160
    assert (first.lr_high, second.lr_high) == pytest.approx((1e-3, 5e-4))
    assert first.lr_high / first.lr_low == second.lr_high / second.lr_low == pytest.approx(10)


def test_without_sizes_every_round_trains_at_the_served_size():
    recipe = get_recipe("best", {"sizes": "", "rounds": "1,1,1", "size": 96})
    assert [phase.view.size for phase in recipe.phases] == [96] * 3
    assert [p.view.size for p in get_recipe("best", {"sizes": "64, 96"}).phases] == [64, 96]


def test_the_last_round_can_be_like_the_others():
    overrides = {"last_min_scale": "", "last_worn": "", "rounds": "1,1,1", "sizes": ""}
    assert {phase.view for phase in get_recipe("best", overrides).phases} == {View(160, 0.35, 0.3)}
    # Worn is a share: nothing pasted in the last round is not "as in the others".
    recipe = get_recipe("best", {"last_worn": "0", "last_min_scale": "1"})
    assert recipe.phases[-1].view == View(144, 1.0, 0.0)


def test_only_a_linear_head_can_be_fitted_first():
    with pytest.raises(BadOverride, match="only a linear head"):
        get_recipe("original", {"head_start": "probe"})


def test_each_round_needs_its_size():
    with pytest.raises(BadOverride, match="2 rounds, so as many sizes"):
        get_recipe("best", {"sizes": "96"})
    with pytest.raises(BadOverride, match="3 rounds"):
        Recipe.from_json({**get_recipe("best").as_json(), "rounds": [1, 1, 1]})


@pytest.mark.parametrize("text", ["7", "bf1134865e7e", "active", ""])
def test_a_teacher_is_named_like_any_version(text):
    assert get_recipe("quick-look", {"teacher": text}).teacher == text


def test_overrides_are_parsed_from_text():
    recipe = get_recipe(
        "quick-look",
        {"size": "96", "lr": "1e-3", "rounds": "3, 2", "images_per_epoch": "all", "fit": "crop"},
    )
    assert (recipe.size, recipe.lr, recipe.rounds) == (96, 1e-3, (3, 2))
    assert recipe.images_per_epoch is None and recipe.fit == "crop"


def test_no_frozen_epochs_leaves_the_frozen_phases_out():
    assert [p.frozen for p in get_recipe("quick-look", {"head_epochs": 0}).phases] == [False]


@pytest.mark.parametrize(
    "key, value",
    [
        ("size", "31"),
        ("size", "96.5"),
        ("size", "big"),
        ("lr", "nan"),
        ("lr", 0),
        ("lr", True),
        ("batch_size", 1),
        ("dropout", None),
        ("rounds", ""),
        ("rounds", [1, 0]),
        ("fit", "stretch"),
        ("arch", "../resnet34"),
        ("workers", {"a": 1}),
        ("sizes", "96,31"),
        ("balance", 1.1),
        ("street_weight", 0),
        ("worn", -0.1),
        ("teacher", "../card"),
    ],
)
def test_unusable_value_is_refused_with_key_and_reason(key, value):
    with pytest.raises(BadOverride) as caught:
        get_recipe("quick-look", {key: value})
    assert caught.value.key == key and caught.value.value == value and caught.value.why
    assert key in caught.value.detail


def test_unknown_key_lists_the_known_ones():
    with pytest.raises(BadOverride, match="batch_size.*weight_decay"):
        get_recipe("quick-look", {"epochs": 3})


def test_the_name_is_no_override():
    with pytest.raises(BadOverride):
        get_recipe("quick-look", {"name": "mine"})


def test_unknown_recipe_lists_the_known_ones():
    with pytest.raises(UnknownRecipe, match="best, original, quick-look"):
        get_recipe("slow-look")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_recipe_survives_json(name):
    recipe = get_recipe(name, {"lr": 0.1 + 0.2})
    assert Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe


def test_json_without_a_field_is_refused():
    data = get_recipe("original").as_json()
    del data["lr"]
    with pytest.raises(BadOverride, match="missing"):
        Recipe.from_json(data)


def test_serving_modules_and_recipes_do_not_import_torch_or_the_orm():
    code = (
        "import sys, classifier.recipes, classifier.jobs.checkpoints, classifier.errors\n"
        "from classifier.inference import classify, preprocess, thresholds\n"
        "bad = {'torch', 'torchvision', 'fastai', 'timm', 'onnx', 'django.db'}\n"
        "sys.exit(', '.join(bad & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
