"""Tables as a reader sees them: numbers as text, and text, HTML, LaTeX, Markdown and Typst."""
