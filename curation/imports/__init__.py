"""Pictures that somebody has already: a folder, a ZIP, a CSV of files or addresses, uploads."""

from curation.imports.entries import Entry, NothingToImport
from curation.imports.report import WORDS, Report
from curation.imports.run import open_source, run
from curation.imports.source import Source

__all__ = ["WORDS", "Entry", "NothingToImport", "Report", "Source", "open_source", "run"]
