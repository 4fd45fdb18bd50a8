"""The contract between sensor and host: services, frames and control operations (arrives with the sensor side)."""
