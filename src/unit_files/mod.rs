//! Unit files on disk: where they live, whose they are, atomic writes, the lock, generations.
