"""What a fit says: parameters, tables, predictions, matrices."""
