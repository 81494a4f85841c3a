//! From the text of an ecosystem file to a checked model: every problem of the file in one run.
