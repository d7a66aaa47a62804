"""The manifests: components and examples by published schemas, tinyproxy's settings, upgrade and uninstall."""
