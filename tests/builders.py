"""Images, headers and models for the tests, each with defaults."""
