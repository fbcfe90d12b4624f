"""Patients as BIDS tables and files: data dictionary, validation, selection, Table 1, splits and the leakage guard."""
