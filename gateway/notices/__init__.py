"""Tells people and programs what happened to an account, by mail and by webhook."""
