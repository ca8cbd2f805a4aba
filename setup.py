"""Find the packages: two folders of the checkout are installed inside the ``volplugin`` package."""

from setuptools import find_packages, setup

# Shipped inside the package, so that no top-level module called `bundles` or `strategies` is installed.
MAPPED = {"volplugin._bundles": "bundles", "volplugin._gallery": "strategies"}

packages = find_packages(include=["volplugin", "volplugin.*"])
for package, folder in MAPPED.items():
    packages += [package, *(f"{package}.{child}" for child in find_packages(folder))]

setup(packages=packages, package_dir=MAPPED)
