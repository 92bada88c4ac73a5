"""Distillation losses, one file a family. All are means over the batch, in float32, of what one example costs."""
