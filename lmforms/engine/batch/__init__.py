"""One design with many right-hand sides: criteria at different θ, evaluated side by side."""
