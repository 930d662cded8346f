"""Pure functions of predictions and truths."""
