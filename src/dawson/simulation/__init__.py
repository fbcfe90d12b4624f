"""Simulated patients: brains, lesions, scanners, follow-up. Everything made here is called simulated."""
