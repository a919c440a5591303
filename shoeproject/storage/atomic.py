"""Local file storage whose files are never half there."""

import os
import uuid
from pathlib import Path

from django.core.files.storage import FileSystemStorage


class AtomicFileSystemStorage(FileSystemStorage):
    """Writes beside and renames, and replaces what bears the same name.

    Names in this project are content addresses or counters, so Django's habit of inventing another
    name on a clash would only leave copies nobody finds. It is also how the S3 backend is set up
    (`file_overwrite`), so both behave alike.
    """

    def get_available_name(self, name, max_length=None):
        """Return `name` itself: the new content replaces the old in one step."""
        return name

    def _save(self, name, content):
        target = Path(self.path(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            with open(beside, "wb") as out:
                for chunk in content.chunks():
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            os.replace(beside, target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        return name
