"""The application: command line and, later, service and dashboard. The only part that may import `analysis`."""
