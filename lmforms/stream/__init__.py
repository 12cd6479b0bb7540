"""Models of rows that are never all in memory: sources of chunks, their sums, and fits of sums."""
