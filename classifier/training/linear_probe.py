"""Linear probe: fit a linear head to the body's features before anything else is trained.

From a random head, the first steps of fine-tuning push useless gradients through the body and spoil
its pretrained features; from a fitted one they do not (Kumar et al. 2022, Fine-Tuning can Distort
Pretrained Features and Underperform Out-of-Distribution). The features are those of augmented
pictures: a head fitted to whole ones is so confident that the crops of the first epoch, most of
which it gets wrong, do more harm than with a random head.
"""

from collections.abc import Callable

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import numpy as np
import torch
from fastai.learner import Learner
from sklearn.linear_model import LogisticRegression

from classifier.recipes import Recipe
from classifier.training.data_loaders import seed_everything, seed_of

INVERSE_REGULARISATION = 0.01  # scikit-learn's C, on standardised features
MAX_ITERATIONS = 100  # of L-BFGS; many more change the answer for one picture in a hundred


def fit_head(learner: Learner, recipe: Recipe, seed: int, before_batch: Callable[[], None]) -> None:
    """Fit the learner's last Linear to one epoch of its augmented train pictures.

    Multinomial logistic regression on the pooled features. The body's normalisation layers adapt to
    these pictures meanwhile, as they do in training. `before_batch` is called before every batch;
    what it raises passes through.
    """
    loader = learner.loaders[recipe.phases[0].view].train
    body, bf16 = learner.model[0].train(), learner.training_precision == "bf16"
    features, labels = [], []
    seed_everything(seed_of(seed, "probe"))
    with torch.no_grad(), torch.autocast(loader.device.type, torch.bfloat16, enabled=bf16):
        for pictures, targets in loader:
            before_batch()
            features.append(body(pictures).float().mean((2, 3)).cpu().numpy())
            labels.append(targets.cpu().numpy())
    x, y = np.concatenate(features).astype(np.float64), np.concatenate(labels)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS)
    fitted.fit((x - mean) / scale, y)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(weight) == 1:  # of two classes scikit-learn keeps one row
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    weight = weight / scale
    linear = learner.model[1][-1]
    with torch.no_grad():
        linear.weight[fitted.classes_] = torch.as_tensor(weight, dtype=linear.weight.dtype)
        linear.bias[fitted.classes_] = torch.as_tensor(bias - weight @ mean, dtype=torch.float32)
