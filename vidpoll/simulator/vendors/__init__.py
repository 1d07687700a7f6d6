"""One module a simulated vendor; its ``BASES`` say under which paths it answers, and with what."""
