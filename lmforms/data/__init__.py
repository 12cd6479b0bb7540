"""Any table to a frame, and with a formula to a design: y, X, and the codes and bases of Z."""
