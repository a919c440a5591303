"""Makes `import torchvision` work beside a torch that its binary operators do not fit.

The torchvision wheel of the package index is linked to CUDA. Beside a CPU build of torch its
library does not load, and the import dies with "operator torchvision::nms does not exist", since
torchvision describes two operators that were never declared. Declaring their schemas is enough:
a classifier never calls them. Where the real library loads, nothing is done.

Import this module before torchvision, fastai or timm.
"""

import importlib.machinery as machinery
import importlib.util
import sys

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _real_operators_load() -> bool:
    package = importlib.util.find_spec("torchvision")
    if package is None:
        return True  # nothing to help: the import will say that it is not installed
    loader = (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES)
    for folder in package.submodule_search_locations or []:
        library = machinery.FileFinder(folder, loader).find_spec("_C")
        if library is not None:
            try:
                torch.ops.load_library(library.origin)
            except OSError:
                return False
            return True
    return False


# The declarations live as long as this object.
_library = None
if "torchvision" not in sys.modules and not _real_operators_load():
    _library = torch.library.Library("torchvision", "DEF")
    for _schema in _SCHEMAS:
        _library.define(_schema)
