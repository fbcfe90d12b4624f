"""Lesions found, measured, followed and agreed upon, scan by scan through a study."""
