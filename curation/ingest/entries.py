"""What a folder or a CSV on disk lists, and the types its labels mean."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.text import slugify

from curation.errors import CurationError
from curation.models import ShoeType

# File names nobody means as pictures when they lie in a folder of pictures.
NOT_PICTURES = {".txt", ".md", ".csv", ".json", ".html", ".ini", ".db"}


class NothingToImport(CurationError):
    """The path does not lead to a folder of labels or a readable CSV."""

    code = "nothing_to_import"

    def __init__(self, path, why):
        super().__init__(path, why)
        self.path, self.why = path, why

    @property
    def detail(self):
        """One sentence for people."""
        return f"{self.path}: {self.why}"


@dataclass(frozen=True)
class Entry:
    """One picture to bring in, as a folder or a CSV names it."""

    path: Path
    label: str
    group: str = ""
    source: str = ""
    licence: str = ""
    scene: str = ""
    title: str = ""


def read_folder(root: Path) -> Iterator[Entry]:
    """Every file below each folder of `root`, in a fixed order, labelled by that folder's name."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and not hidden and path.suffix.lower() not in NOT_PICTURES:
                yield Entry(path, folder.name)


def read_manifest(file: Path) -> Iterator[Entry]:
    """The rows of a CSV with a header; `path` is relative to the CSV's folder and stays below it.

    Raises `NothingToImport` for a file that is no such CSV.
    """
    root = file.parent.resolve()
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            missing = {"path", "class"} - set(rows.fieldnames or [])
            if missing:
                raise NothingToImport(
                    file, f"the CSV has no column {' and no column '.join(sorted(missing))}."
                )
            for row in rows:
                known = {k: (row.get(k) or "").strip() for k in Entry.__dataclass_fields__}
                known.pop("label")
                path = root / known.pop("path")
                yield Entry(path, (row.get("class") or "").strip(), **known)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NothingToImport(file, f"it is no CSV in UTF-8 ({error}).") from error


def read(path: Path) -> Iterator[Entry]:
    """The entries of a folder or a CSV; raises `NothingToImport` where there is neither."""
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_manifest(path)
    raise NothingToImport(path, "there is no such folder or file on this server.")


class Labels:
    """Finds the type a label means: by a map, by slug, by name or by the first model's class name.

    Raises KeyError for a label nobody knows.
    """

    def __init__(self, label_map: dict[str, str] | None = None):
        self._types = {}
        for shoe_type in ShoeType.objects.select_related("merged_into"):
            for name in (shoe_type.slug, shoe_type.name, shoe_type.original_label):
                self._types.setdefault(slugify(name), shoe_type.survivor())
        self._map = {slugify(k): slugify(v) for k, v in (label_map or {}).items()}

    def __getitem__(self, label: str) -> ShoeType:
        slug = slugify(label.replace("_", "-"))
        slug = self._map.get(slugify(label), self._map.get(slug, slug))
        return self._types[slug]
