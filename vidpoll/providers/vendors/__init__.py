"""One module an adapter; its name is the provider's name, and it calls its adapter ``ADAPTER``."""
