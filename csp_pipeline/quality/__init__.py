"""Quality: what is put aside, and the identities that must hold before anything is published."""
