//! From the model to the text of systemd units.
