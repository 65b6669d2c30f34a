"""What is left when something breaks, is killed, or sends anything at all."""
