"""From rows, wherever they are, to batches: reading, columns, splits, encoding, order, and a look at what is odd."""
