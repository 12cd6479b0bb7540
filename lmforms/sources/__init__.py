"""Where rows come from that are never all in memory: files, databases, chunks, clusters."""
