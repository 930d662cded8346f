"""The vocabulary every other layer speaks: batches, losses, clocks, parameters, strategies, tasks, observers, errors."""
