"""Tests, intervals and means: functions of a fit's frozen state."""
