"""Small real models and data sets that travel in ordinary packages: what there is, and how it gets here."""
