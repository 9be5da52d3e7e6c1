"""Our own formulas beside a well-known library's, which is installed for tests alone."""
