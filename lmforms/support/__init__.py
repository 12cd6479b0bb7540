"""What every room may use: checked arguments, and who called."""
