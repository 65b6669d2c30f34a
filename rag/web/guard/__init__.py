"""Who may ask under which name, how often and how much, before a request is worked on."""
