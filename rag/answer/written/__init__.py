"""Answers that a language model writes: the prompt, the parts of the reply, and the check of every sentence."""
