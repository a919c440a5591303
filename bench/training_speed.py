"""How fast is a training step, in each precision and memory layout?

    .venv/bin/python -m bench.training_speed --size 128

Forward, loss, backward and optimiser step of a resnet34 on fixed random batches, all layers
trained, without loading or augmenting pictures. All variants take turns, so that other load affects
them alike. Prints images a second, and the ratio to the first one (fp32, contiguous).
"""

import argparse
import time

from classifier.training import torchvision_shim  # noqa: F401

# isort: split
import torch
from torchvision.models import resnet34

VARIANTS = [("fp32", "contiguous"), ("fp32", "channels-last"), ("bf16", "channels-last")]
ROUNDS, STEPS = 3, 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    steps = {variant: step(*variant, options.size, options.batch) for variant in VARIANTS}
    for run in steps.values():
        run()
    seconds = dict.fromkeys(VARIANTS, 0.0)
    for _ in range(ROUNDS):
        for variant, run in steps.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                run()
            seconds[variant] += time.perf_counter() - began
    images = ROUNDS * STEPS * options.batch
    print(f"resnet34, {options.size} px, batches of {options.batch}, {options.threads} threads")
    for variant in VARIANTS:
        ratio = seconds[VARIANTS[0]] / seconds[variant]
        print(f"  {' '.join(variant):20s} {images / seconds[variant]:6.1f} images/s  × {ratio:.2f}")


def step(precision: str, layout: str, size: int, batch: int):
    """Return a function that makes one training step."""
    torch.manual_seed(1)
    model = resnet34(num_classes=36).train()
    pictures, labels = torch.rand(batch, 3, size, size), torch.randint(36, (batch,))
    if layout == "channels-last":
        model = model.to(memory_format=torch.channels_last)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(pictures)
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()
        optimiser.zero_grad()

    return run


if __name__ == "__main__":
    main()
