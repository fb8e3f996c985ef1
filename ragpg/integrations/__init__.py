"""ragpg as the store of other frameworks: one module for each, over the public API."""
