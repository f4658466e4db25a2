//! Settings: the raw file's shape and the checked settings made from it.
