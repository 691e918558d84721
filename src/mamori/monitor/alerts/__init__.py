"""The life of an alert, and the journal that must not lose one."""
