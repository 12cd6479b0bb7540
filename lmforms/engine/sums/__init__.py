"""Rows to cross-products [Z X y]'R⁻¹[Z X y], in units in which nothing cancels."""
