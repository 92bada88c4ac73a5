"""How the projects of this field lay pairs over files: read from their fields, and written into them."""
