"""Trusted analysis: questions travel to the data, only safe and reviewed sums come back."""
