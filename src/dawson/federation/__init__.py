"""Centres that train together while their data stay home."""
