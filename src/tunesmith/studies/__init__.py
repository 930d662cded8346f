"""Studies: functions over whole runs."""
