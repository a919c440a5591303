"""The WSGI application a web server runs."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
application = get_wsgi_application()
# What was loaded until now stays for good: Python need not look through it for garbage again.
gc.collect()
gc.freeze()
