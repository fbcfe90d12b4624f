"""Labels by many hands: narrow tasks, instructed raters, hidden checks, consensus and releases."""
