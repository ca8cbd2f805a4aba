"""The strategy gallery, installed as ``volplugin._gallery``: each runs by ``zipline run`` and by import."""
