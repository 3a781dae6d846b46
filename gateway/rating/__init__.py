"""What a call costs and how long money lasts: pure, without clock or I/O."""
