"""Connections to other libraries; each knows the core, which knows none of them."""
