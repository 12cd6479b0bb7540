"""F tests of the terms of the fixed part, of Types I, II and III."""
