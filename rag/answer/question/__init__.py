"""The question: its kind, terms and sides, its subject in a conversation, and its words as the index spells them."""
