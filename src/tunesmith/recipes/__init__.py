"""Recipes: what to train, with what, how; read from YAML or from Python, checked before any work, written back in full."""
