"""The numerical side: arrays in, arrays out. It knows neither pandas nor formulas."""
