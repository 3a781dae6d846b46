"""The HTTP side: health, accounts, calls, payment webhooks."""
