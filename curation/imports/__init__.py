"""Import pictures: from a folder, a ZIP, a CSV of files or web addresses, or an upload."""
