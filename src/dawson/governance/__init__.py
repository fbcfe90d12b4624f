"""Consent, access, withdrawal and audit: files beside a study, not database tables."""
