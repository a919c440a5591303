"""Settings of the tests: the project's own, with a temporary VAR_DIR that is removed at the end."""

import atexit
import os
import shutil
import tempfile

_var = tempfile.mkdtemp(prefix="shoes-test-")
atexit.register(shutil.rmtree, _var, ignore_errors=True)
os.environ["VAR_DIR"] = _var
os.environ["PRETRAINED_WEIGHTS"] = ""

from shoeproject.settings import *  # noqa: E402, F403

STATIC_ROOT.mkdir()  # noqa: F405
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MODEL_POLL_SECONDS = 0
ASSESS_AFTER = []
