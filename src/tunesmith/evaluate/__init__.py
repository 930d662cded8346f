"""How good a model is, beside its base and beside simple baselines."""
