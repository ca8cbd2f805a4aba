"""A folder of model vintages: tensors in safetensors, metadata in JSON, everything written atomically.

Layout::

    store.json                       what every vintage in here is: forecaster, parameters, format
    vintages/2009-12-31/             one finished vintage; its folder appears in one rename
        model.safetensors
        manifest.json                trained_through, data fingerprint, checksum of tensors and metadata
    parts/2009-12-31/0.safetensors   finished pieces of unfinished vintages, for resuming

A folder ``carried/``, which earlier versions wrote, is ignored.

Nothing here is ever unpickled, and no file is believed: each is bounded in size before it is read,
lies inside the folder, and has its form, its types and its checksum looked at before anything is made of it.
"""

from volplugin.storage.manifest import FORMAT, Manifest, vintage_checksum
from volplugin.storage.model_store import ModelStore

__all__ = ["FORMAT", "Manifest", "ModelStore", "vintage_checksum"]
