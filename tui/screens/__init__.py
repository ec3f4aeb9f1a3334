"""One screen a file; `tui.registry` lists them."""
