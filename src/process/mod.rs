//! What the processes of a control group use.
