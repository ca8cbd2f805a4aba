"""Connections to other libraries; each imports the core, which imports none of them."""
