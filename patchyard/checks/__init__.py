"""Health questions: one module each, found by scanning this folder."""
