"""Scans from a scanner or another centre: found, de-identified, converted, sorted, defaced."""
