# The image for a USB stick: a live system whose first screen is the installer, and which is also
# what gets installed. Run from the checkout, as root, after `make bundle`; `make image` does both.

variable "dist" {
  type        = string
  default     = "dist"
  description = "The folder with the bundle, its key and its installer; the image comes there, too."
}

variable "work" {
  type        = string
  default     = "/var/tmp/twinpost-image"
  description = "A folder for what is built on the way, on a disk with 3 GB free. It is emptied."
}

variable "test_key" {
  type        = bool
  default     = false
  description = "Also take a bundle that says its key is for tests only."
}

variable "compression" {
  type        = number
  default     = 19
  description = "The level of zstd for the live system: 3 is fast, 22 is small."
}

source "null" "image" {
  communicator = "none"
}

build {
  sources = ["source.null.image"]

  provisioner "shell-local" {
    environment_vars = [
      "HERE=${path.root}",
      "DIST=${var.dist}",
      "WORK=${var.work}",
      "TEST_KEY=${var.test_key}",
      "COMPRESSION=${var.compression}",
    ]
    scripts = [
      "${path.root}/scripts/10-debian.sh",
      "${path.root}/scripts/20-twinpost.sh",
      "${path.root}/scripts/30-squash.sh",
      "${path.root}/scripts/40-image.sh",
    ]
  }
}
