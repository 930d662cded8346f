"""One file per task, found by its name; each says what it reads, how it is encoded, learned, decoded and judged."""
