"""The image that sites get, booted, installed, paired, cut off from power and updated in QEMU."""
