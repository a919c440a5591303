"""Local file storage that writes each file completely or not at all."""

import os
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage

from shoeproject.storage.files import written_beside


class AtomicFileSystemStorage(FileSystemStorage):
    """Writes to a temporary file and renames it, replacing a file of the same name.

    Names in this project are content addresses or counters, so Django's habit of inventing another
    name on a clash would only leave copies nobody finds. The S3 backend is set up the same way
    (`file_overwrite`).
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return `name` itself: the new content replaces the old in one step."""
        return name

    def _save(self, name: str, content: File) -> str:
        with written_beside(Path(self.path(name))) as beside, open(beside, "wb") as out:
            for chunk in content.chunks():
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        return name
