"""Scripts in engines, engines in workers, workers in a pool."""
