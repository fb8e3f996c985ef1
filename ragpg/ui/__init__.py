"""The web page of `ragpg ui`: what is stored, found and measured, to look at; it writes nothing."""
