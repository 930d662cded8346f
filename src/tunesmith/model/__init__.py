"""Pre-trained weights in, a named and depth-ordered module out."""
