"""Files, arguments, configs and environment; without torch."""
