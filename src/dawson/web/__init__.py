"""The server: accounts and pages. It decides nothing of science; the rooms below do."""
