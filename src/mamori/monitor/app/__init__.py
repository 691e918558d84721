"""The composition root: the only place where stages, telephony and configuration meet."""
