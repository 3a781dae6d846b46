"""Asterisk: FastAGI asks us, AMI tells us and does what we ask. The only speaker of panoramisk."""
