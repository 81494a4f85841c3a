//! What an ecosystem file means, valid by construction.
