"""From a raw T1w + FLAIR pair to MNI space and the five-slice channel image."""
