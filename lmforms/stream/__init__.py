"""Models of rows that are summed up and not kept: plans, sums of chunks, and fits of them."""
