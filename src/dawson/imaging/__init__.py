"""Images in, images out: volumes, brain, bias, registration, intensity, template. Knows no patient and no path layout."""
