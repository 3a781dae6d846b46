"""Coinbox: a prepaid call-control authorization gateway for Asterisk."""
