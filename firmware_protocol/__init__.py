"""The contract between sensor and host, and the sensor's side of it; PROTOCOL.md is the text, `c/` the portable core."""
