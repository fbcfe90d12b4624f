"""Reports, figures and methods text, from what lower floors computed."""
