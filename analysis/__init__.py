"""Events to day: daily summary, figures and reports. Knows the core, never the application."""
