"""The WSGI application that the web server runs."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
application = get_wsgi_application()
# Everything loaded so far is kept for good, so the garbage collector need not scan it again.
gc.collect()
gc.freeze()
