//! Make the machine what the plan says: observe, decide, act, observe again.
