"""Worker processes that decode: a pool on the node's side, a template that forks, the workers."""
