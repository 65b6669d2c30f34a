"""What a site says to crawlers: its rules in robots.txt, and its lists of pages."""
