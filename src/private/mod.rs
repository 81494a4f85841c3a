//! A private systemd of its own, for machines where no service manager can be reached.
