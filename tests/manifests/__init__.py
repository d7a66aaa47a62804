"""The manifests: valid by published schemas, tinyproxy's settings, upgrade and uninstallation."""
