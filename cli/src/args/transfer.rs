//! `keyfold keyset`, `backup`, `restore` and `quarantine`.
