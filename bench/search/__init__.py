"""How well pages and duplicate issues are found."""
