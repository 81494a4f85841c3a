//! What this machine has: files, programs on PATH, users, processors.
