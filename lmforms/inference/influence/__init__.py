"""What a fit would be without some of its rows: leverages, deletions, measures of influence."""
