"""`manage.py export_images SNAPSHOT --out FILE.zip`."""

import errno
import os
import sys
from pathlib import Path

from django.core.management.base import CommandError

from curation.snapshots import freeze
from curation.snapshots.export.stream import FORMATS, stream
from shoeproject.jobs.commands import ProgressBar, ProjectCommand
from shoeproject.storage.files import written_beside


class Command(ProjectCommand):
    help = (
        "Write a snapshot's pictures with what is known of each to a ZIP, in folders that fastai, "
        "torchvision and Hugging Face datasets read."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="snapshot", help="its name")
        parser.add_argument("--format", choices=list(FORMATS), default="imagefolder")
        parser.add_argument(
            "--out", required=True, metavar="FILE", help="a new ZIP, or - for standard output"
        )
        parser.add_argument(
            "--licence",
            action="append",
            default=[],
            metavar="NAME",
            help="only images with this licence, letter for letter; may be repeated",
        )
        parser.add_argument("--force", action="store_true", help="replace a file that is there")

    def handle(self, name, format, out, licence, force, **options):
        progress = ProgressBar()
        chunks = stream(
            freeze.find(name), format, licence, lambda done, of: progress.show(done, of, "images")
        )
        try:
            size = _to_stdout(chunks) if out == "-" else _to_file(Path(out), chunks, force)
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was kept.") from None
        finally:
            progress.close()
        self.stderr.write(f"{size / 1024**2:.1f} MB written.")


def _to_stdout(chunks) -> int:
    if sys.stdout.isatty():
        raise CommandError("A ZIP makes no sense on a terminal; name a file, or send it on (| …).")
    size = 0
    for chunk in chunks:
        size += sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return size


def _to_file(file: Path, chunks, force: bool) -> int:
    if file.is_dir():
        raise CommandError(f"{file} is a folder; name a file in it.")
    if file.exists() and not force:
        raise CommandError(f"{file} is there already; choose another name, or --force.")
    if not file.parent.is_dir():
        raise CommandError(f"{file} cannot be written: {os.strerror(errno.ENOENT)}.")
    try:
        with written_beside(file) as beside, open(beside, "xb") as out:
            for chunk in chunks:
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}.") from error
    return file.stat().st_size
