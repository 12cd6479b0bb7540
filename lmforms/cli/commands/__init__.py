"""One module a command: `add` describes its arguments, `run` makes its output."""
