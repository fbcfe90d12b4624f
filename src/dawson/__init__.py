"""Dawson turns brain MRI of people with MS and NMOSD into shared evidence. Research use only."""

__version__ = "0.1.0"
