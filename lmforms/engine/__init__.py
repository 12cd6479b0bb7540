"""The numerical side: arrays in, arrays out. It uses neither pandas nor formulas."""
