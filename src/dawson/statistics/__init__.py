"""Arrays in, numbers out: figures of merit and honest intervals. Knows no patient and no path layout."""
