"""ragpg as store and retriever of frameworks: a module each, imported by who has the framework."""
