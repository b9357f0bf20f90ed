"""Reports as web pages for a reader: how they are written and look. What stands in them comes from those who ask."""
