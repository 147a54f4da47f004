"""Long work: queued with the request that asks for it, done by a worker, followed by its reader."""
