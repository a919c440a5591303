"""What is measured rather than tested. Run as `.venv/bin/python -m bench.NAME --help`."""
