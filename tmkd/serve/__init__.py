"""A student behind HTTP, in the shapes that clients of other rerankers speak."""
