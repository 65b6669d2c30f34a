"""Answers without a language model: passages of the sources, ranked and composed, and how likely they are right."""
