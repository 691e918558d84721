"""Speech to text: one port, two kinds of engine, and the models they need."""
