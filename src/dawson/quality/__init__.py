"""Judging scans from the files that other rooms wrote."""
