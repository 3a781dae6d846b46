"""Recharge: ask a payment provider for money when an account runs low, and book what is paid."""
