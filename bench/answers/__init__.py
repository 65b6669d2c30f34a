"""How right answers are, and what they cost."""
