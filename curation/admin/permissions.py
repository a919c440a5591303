"""Permissions that the admin's own pages check."""

VIEW_IMAGES = "curation.view_shoeimage"
DECIDE = "curation.change_shoeimage"
PURGE = "curation.add_purge"
ADD_IMPORTS = "curation.add_import"
