"""The model of a repository: probabilities of candidates, and their calibration."""
