"""Code that the strategies of the gallery share; import it in a strategy of your own, or copy it."""

from volplugin._gallery.shared.parameters import COVARIANCES, GalleryParameters, read_gallery_parameters
from volplugin._gallery.shared.running import follow, prepare, rebalance

__all__ = ["COVARIANCES", "GalleryParameters", "follow", "prepare", "read_gallery_parameters", "rebalance"]
