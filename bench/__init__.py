"""Measure what tests cannot: speed, memory, accuracy, keystrokes."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
